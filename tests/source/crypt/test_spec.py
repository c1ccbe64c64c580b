import pytest

from jpegrescue.errors import UsageError
from jpegrescue.source.crypt.spec import DEFAULT_SPEC, SPECS, check_key, parse_spec
from jpegrescue.source.keys import Key
from tests.source.reference import KEY_SIZES


def test_every_promised_name_parses_and_says_what_it_is() -> None:
    assert set(SPECS) == set(KEY_SIZES)
    for name in KEY_SIZES:
        spec = parse_spec(name)
        mode, iv = name.removeprefix("aes-").removesuffix(":sha256").split("-")
        assert (spec.name, spec.mode, spec.iv) == (name, mode, iv)
    assert parse_spec(" AES-CBC-ESSIV:SHA256 ") is DEFAULT_SPEC


@pytest.mark.parametrize("name", ["", "aes", "aes-cbc-essiv", "aes-gcm-plain64", "serpent-xts-plain64"])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(name)
    assert all(known in str(caught.value) for known in KEY_SIZES)


@pytest.mark.parametrize("name", KEY_SIZES)
def test_only_fitting_keys_pass(name: str) -> None:
    for size in range(130):
        if size in KEY_SIZES[name]:
            check_key(SPECS[name], Key(bytes(size)))
        else:
            with pytest.raises(UsageError) as caught:
                check_key(SPECS[name], Key(b"\xab" * size))
            assert all(str(fitting) in str(caught.value) for fitting in KEY_SIZES[name])
            assert "abab" not in str(caught.value)
