"""Settings that must be in force before any test imports an image library."""

import os

from hypothesis import settings

os.environ["JSIMD_FORCENONE"] = "1"  # libjpeg's C paths are the oracle: its SIMD paths differ on a few odd files

settings.register_profile("kernels", deadline=None)  # a first call compiles
settings.load_profile("kernels")
