"""What layers tell of themselves: in a summary, in print, and in the notes of an error."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import LSTM, AlphaDropout, Chain, Conv, Dense, Dropout, Parallel, SkipConnection


def test_depth_of_a_summary():
    model = Chain(Chain(Dense(4, 3), Dense(3, 2)), np.tanh)
    everything = kn.nn.summary(model, (None, 4))
    assert [row.depth for row in everything.rows] == [0, 1, 2, 2, 1]
    short = kn.nn.summary(model, (None, 4), depth=1)
    assert [row.path for row in short.rows] == ["", "layers[0]", "layers[1]"]
    assert short.parameters == everything.parameters == short.rows[1].parameters == 23
    assert short.operations == everything.operations


def test_wrong_depths():
    with pytest.raises(TypeError, match="summary: depth must be an integer, got str"):
        kn.nn.summary(np.tanh, (None, 4), depth="1")
    with pytest.raises(ValueError, match="summary: depth must be at least 0, got -1"):
        kn.nn.summary(np.tanh, (None, 4), depth=-1)


def test_a_summary_names_recurrent_layers():
    (row,) = kn.nn.summary(LSTM(3, 2, bidirectional=True), (None, 5, 3)).rows
    assert row.layer == "LSTM(3 => 2, bidirectional=True)"


def test_dropouts_print_what_is_not_usual():
    assert repr(Dropout(0.3)) == "Dropout(0.3)" and repr(Dropout(axis=(0, 1))) == "Dropout(0.5, axis=(0, 1))"
    assert repr(AlphaDropout(0.1, active=True)) == "AlphaDropout(0.1, active=True)"


@pytest.mark.skipif(not hasattr(Exception, "add_note"), reason="notes came with Python 3.11")
def test_notes_name_layers_within_layers():
    with pytest.raises(kn.ShapeError) as caught:
        Chain(Chain(Dense(4, 3), Dense(2, 1)))(np.ones((5, 4), "f4"))
    assert caught.value.__notes__ == [
        "in layer 1 of a Chain, Dense(2 => 1), called with shape (5, 3)",
        "in layer 0 of a Chain, Chain(...), called with shape (5, 4)",
    ]


@pytest.mark.skipif(not hasattr(Exception, "add_note"), reason="notes came with Python 3.11")
def test_notes_name_layers_in_a_summary():
    with pytest.raises(kn.ShapeError) as caught:
        kn.nn.summary(Chain(Dense(4, 3), Dense(4, 3)), (None, 4))
    assert caught.value.__notes__ == ["in layer 1 of a Chain, Dense(4 => 3), called with shape (0, 3)"]


@pytest.mark.skipif(not hasattr(Exception, "add_note"), reason="notes came with Python 3.11")
@pytest.mark.parametrize("join", [SkipConnection, lambda layer: Parallel(np.add, layer, np.copy)])
def test_notes_tell_what_did_not_fit_together(join):
    with pytest.raises(ValueError) as caught:
        join(Conv(1, 2, 3, stride=2))(np.ones((4, 1, 9, 9), "f4"))
    assert "add, called with shape (4, 2, 4, 4) and (4, 1, 9, 9)" in caught.value.__notes__[0]


def test_a_repr_that_fails_hides_nothing():
    class Broken:
        def __call__(self, x):
            raise ValueError("the true reason")

        def __repr__(self):
            raise RuntimeError("no repr")

    net = Chain(Dense(3, 3), Broken())
    with pytest.raises(ValueError, match="the true reason"):
        net(np.ones((2, 3), "f4"))
    for shown in (repr(net), net._repr_html_()):
        assert "Broken whose repr fails" in shown and "Dense(3 " in shown
