"""Grad-CAM against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facewitness.detectors.graph import Graph
from facewitness.detectors.output import NetOutput
from facewitness.explain.gradcam import grad_cam, guided_grad_cam
from facewitness.types import Card, CardError, CropProfile

CARD = Card(name="toy", build="unused:Unused", crop=CropProfile(size_px=4, margin=0.3), mean=(0, 0, 0), std=(1, 1, 1))


class Toy(nn.Module):
    """Two channels: twice the red, and the green less one half; each is averaged over the picture."""

    def __init__(self, fake: tuple[float, float], real: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.look, self.say = nn.Conv2d(3, 2, 1), nn.Linear(2, 2, bias=False)
        self.cut: nn.Module = nn.Identity()
        with torch.no_grad():
            self.look.weight[..., 0, 0] = torch.tensor([[2.0, 0, 0], [0, 1, 0]])
            self.look.bias[:] = torch.tensor([0.0, -0.5])
            self.say.weight[:] = torch.tensor([list(real), list(fake)])

    def forward(self, x: Tensor) -> NetOutput:
        features = self.cut(self.look(x)).mean((2, 3))
        return NetOutput(self.say(features), features)


def _crop() -> np.ndarray:
    crop = np.zeros((1, 4, 4, 3), np.uint8)
    crop[0, 0, 0] = (255, 0, 0)  # channels 2 and -0.5
    crop[0, 1, 1] = (51, 255, 0)  # 0.4 and 0.5
    crop[0, 2, 2] = (0, 255, 0)  # 0 and 0.5
    return crop


def test_it_is_the_channels_weighted_by_their_gradients_and_cut_off_below_zero() -> None:
    """3 x red channel - 1 x green one: 6.5, 0.7, -0.5 at the three points, and 0.5 where all is black."""
    heat = grad_cam(CARD, Graph(CARD, Toy((3.0, -1.0))), _crop(), "look")
    expected = np.full((4, 4), 0.5 / 6.5, np.float32)
    expected[0, 0], expected[1, 1], expected[2, 2] = 1, 0.7 / 6.5, 0
    np.testing.assert_allclose(heat[0], expected, rtol=1e-5)


@pytest.mark.parametrize("inplace", [False, True])
def test_guided_it_is_zero_where_a_relu_lets_nothing_good_through(inplace: bool) -> None:
    """Behind a ReLU the red channel counts where there is red (gradient 6 / 16), the green one, which speaks against a
    fake, nowhere; the map below it is 6.5 and 0.7 at the two red points."""
    toy = Toy((3.0, -1.0))
    toy.cut = nn.ReLU(inplace)
    heat = guided_grad_cam(CARD, Graph(CARD, toy), _crop(), "look")
    expected = np.zeros((4, 4), np.float32)
    expected[0, 0], expected[1, 1] = 1, 0.7 / 6.5
    np.testing.assert_allclose(heat[0], expected, rtol=1e-5)
    assert toy.cut.inplace is inplace


def test_it_asks_what_speaks_for_a_fake_rather_than_a_real_and_says_nothing_where_nothing_does() -> None:
    expected = grad_cam(CARD, Graph(CARD, Toy((3.0, -1.0))), _crop(), "look")
    for fake, real in (((4.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (-3.0, 1.0))):  # the second: a net of one unit, for real
        np.testing.assert_allclose(grad_cam(CARD, Graph(CARD, Toy(fake, real)), _crop(), "look"), expected, rtol=1e-5)
    assert not grad_cam(CARD, Graph(CARD, Toy((9.0, 9.0), (9.0, 9.0))), _crop(), "look").any()


@pytest.mark.parametrize(("layer", "message"), [("lok", "no layer 'lok'"), ("", "no layer ''"), ("say", "no places")])
def test_a_layer_that_cannot_be_looked_at_is_refused(layer: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        grad_cam(CARD, Graph(CARD, Toy((1.0, 1.0))), _crop(), layer)


def test_crops_of_another_size_are_refused() -> None:
    with pytest.raises(CardError, match="takes crops"):
        grad_cam(CARD, Graph(CARD, Toy((1.0, 1.0))), np.zeros((1, 8, 8, 3), np.uint8), "look")
