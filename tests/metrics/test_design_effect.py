"""Design effects of shared images, with known answers."""

import numpy as np
import pytest

from a2pipe.metrics.design_effect import design_effect


def test_without_shared_images_it_is_one():
    residuals = np.array([0.3, -0.7, 0.3, 0.1])
    assert design_effect(residuals, None) == 1
    assert design_effect(residuals, np.arange(4)) == pytest.approx(1)


def test_samples_that_agree_within_each_image_count_as_one():
    residuals = np.repeat([0.25, -0.75, 0.25, 0.25], 3)
    assert design_effect(residuals, np.repeat(np.arange(4), 3)) == pytest.approx(3)


def test_it_is_the_ratio_of_the_two_variances():
    residuals = np.array([0.4, 0.4, -0.6, 0.4, -0.6])
    images = np.array([7, 7, 7, 2, 2])
    by_image = ((0.4 + 0.4 - 0.6) ** 2 + (0.4 - 0.6) ** 2) / (residuals**2).sum()
    assert by_image < 1
    assert design_effect(residuals, images) == 1
    alike = np.array([0.4, 0.4, 0.4, -0.6, -0.6])
    expected = ((3 * 0.4) ** 2 + (2 * 0.6) ** 2) / (alike**2).sum()
    assert design_effect(alike, images) == pytest.approx(expected)


def test_where_nothing_varies_samples_of_an_image_are_taken_to_agree():
    assert design_effect(np.zeros(6), np.array([0, 0, 0, 1, 1, 2])) == pytest.approx(14 / 6)


def test_no_samples_have_no_effect():
    assert design_effect(np.empty(0), np.empty(0)) == 1
