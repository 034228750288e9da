"""A small calibration table with the shape of the bundled one."""

import numpy as np
import pytest

from models.forecast.combine import Combination
from models.forecast.intervals import Calibration, Family


@pytest.fixture(scope="session")
def calibration():
    levels = np.array([0.0, 0.5, 0.8, 0.95, 0.99])
    radii = np.array([[0.0, 0.8, 1.6, 2.5, 3.4], [0.0, 1.0, 2.0, 3.0, 4.0]])
    family = Family(0.4, 0.1, np.array([1.0, 18.0]), radii, np.array([6.0, 100.0]), np.array([1.1, 1.0]))
    return Calibration(levels, {"any": family, "12/log": family})


@pytest.fixture(scope="session")
def model(calibration):
    return Combination(calibration)
