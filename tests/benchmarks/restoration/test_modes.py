from benchmarks.restoration.modes import HEAVY_BYTES, all_modes, smoke_modes, subset_modes


def test_names_are_unique_and_parts_belong_to_the_whole() -> None:
    modes = all_modes()
    assert len({mode.name for mode in modes}) == len(modes) == 3 * (4 + 5)
    assert set(subset_modes()) < set(modes)
    assert set(smoke_modes()) < set(modes)


def test_many_errors_are_for_small_files() -> None:
    by_name = {mode.name: mode for mode in all_modes()}
    for rate, takes_large in (("1e-06", True), ("1e-05", True), ("3e-05", False), ("0.0001", False)):
        assert by_name[f"cbc {rate}"].takes(HEAVY_BYTES)
        assert by_name[f"cbc {rate}"].takes(HEAVY_BYTES + 1) is takes_large
    assert by_name["plain page"].takes(HEAVY_BYTES + 1)


def test_the_recipe_is_the_modes() -> None:
    for mode in all_modes():
        recipe = mode.recipe(7)
        assert (recipe.seed, recipe.damage, recipe.bit_error_rate) == (7, mode.damage, mode.rate)
        assert (recipe.cipher is None) == (mode.cipher == "plain")
