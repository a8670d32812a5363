"""The mouth where no voice is. Run from models/: python -m pytest tests"""

from pathlib import Path

import numpy as np
import pytest
import torch
from cuts import NETS, RATE, SPEECH, Listener, late, opening
from dataset import wave
from model import BANDS, HIDDEN, PAST, STATE
from noises import coloured, drums, midi, noise
from recover import stage as module
from settle import BEFORE, BEHIND, CLOSING, LONG, Batches, targets, through

PACK = Path(__file__).resolve().parents[1] / "packs" / "lite"
# of the inner lips, in inter-ocular distances
SHUT = 0.02


@pytest.fixture(scope="module")
def listen() -> Listener:
    return Listener(PACK)


@pytest.mark.parametrize("name", NETS)
def test_the_mouth_shuts_and_stays_shut_after_speech_that_is_cut(stage, listen, name):
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    for voice, cuts in dict(af_heart=(1.7, 3.13, 3.4, 5.7, 6.9, 8.57, 10.0), am_michael=(2.0, 3.22, 7.49)).items():
        w = wave(SPEECH / f"speech-{voice}.wav", level=False)
        for at in cuts:
            n = int(at * RATE)
            a = opening(net, listen(np.concatenate([w[:n], np.zeros(4 * RATE, np.float32)]), NETS[name]), face, state)
            assert a[: n // 640].max() > 0.1, "it speaks"
            assert late(a, n).max() < SHUT, (voice, at, late(a, n).max())


@pytest.mark.parametrize("name", NETS)
def test_a_net_that_would_hold_on_for_ever_is_made_to_forget(stage, name):
    _, g = stage(name)
    face = g[f"{name}.in.1"]
    front, f = stage("features")
    with torch.no_grad():
        quiet = front(torch.zeros_like(f["features.in.0"]))[None].expand(40, -1, -1)
        for forgets in (False, True):
            net = module(PACK / f"{name}.pt")
            # The update gate of the recurrence: the state stays as it is.
            net.net.rnn.bias_hh_l0[HIDDEN : 2 * HIDDEN] += 50
            if not forgets:
                net.pause.forget = 0.0
            rest = net(quiet, face, torch.zeros(8), torch.zeros(STATE))[0]
            state = torch.zeros(STATE)
            state[PAST * BANDS : PAST * BANDS + HIDDEN] = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(0)).sign()
            away = (net(quiet, face, torch.zeros(8), state)[0] - rest).abs().amax((1, 2))
            assert away[0] > 0.01
            # in 0.6 s
            assert (away[15:].max() < 0.05 * away[0]) == forgets


@pytest.mark.parametrize("name", NETS)
def test_a_pause_within_speech_loses_nothing(stage, listen, name):
    """A gap as long as the closure of a consonant: what is said behind it is what a net says that forgets nothing."""
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    w = wave(SPEECH / "speech-af_heart.wav", level=False)[: 3 * RATE].copy()
    w[2 * RATE : 2 * RATE + 1600] = 0
    x = listen(w, NETS[name])
    free = module(PACK / f"{name}.pt")
    free.pause.forget = 0.0
    assert np.abs(opening(net, x, face, state) - opening(free, x, face, state)).max() < 0.01


def test_the_target_is_what_ships_until_the_cut_and_the_shut_mouth_behind_it():
    r = np.random.default_rng(0)
    whole = module(PACK / "speech2landmarks.pt")
    random = lambda *shape: torch.from_numpy(r.normal(0, 1, (*shape, 4, 128)).astype(np.float32))  # noqa: E731
    silence = torch.full((4, 128), -13.8)
    silence[:, 80:] = 0
    z = dict(talk=random(2, LONG), room=random(2, LONG), mixed=random(1, LONG), seams=random(1, BEFORE + 1 + BEHIND), silence=silence)
    z |= {"mixed of": torch.tensor([1]), "cuts": torch.tensor([[0, 50, -1]])}
    batches = Batches(z, 2, r)
    d = batches.take(dict(cuts=1, talk=1, mixed=1, room=1))
    assert d["ends"].tolist() == [50, LONG, LONG, 0]
    y, shut = targets(whole.net, whole.pause, d, silence)
    with torch.no_grad():
        said = through(whole.net, d["teach"], d["own"], d, whole.pause(d["teach"], torch.zeros(4))[0])
    # A cut: what ships, until the voice ends, then a still face.
    assert torch.equal(y[0, :51], said[0, :51]) and torch.allclose(y[0, 50 + CLOSING :], y[0, -1:], atol=1e-6)
    assert not torch.allclose(said[0, 50 + CLOSING :], y[0, -1:], atol=1e-2)
    # Speech is left alone, and with music behind it what is said of the speech is the target.
    assert torch.equal(y[1:3], said[1:3]) and not torch.equal(d["own"][2], d["tokens"][2])
    assert torch.allclose(y[3], y[3, :1], atol=1e-6) and shut[3].eq(1).all()


def test_sounds_for_training_are_as_loud_as_each_other():
    r = np.random.default_rng(0)
    for _ in range(12):
        w = noise(r, 1.5)
        assert w.shape == (24000,) and np.isfinite(w).all() and abs(w.std() - 1) < 0.05
    assert abs(coloured(8000, r).std() - 1) < 1e-6 and np.abs(drums(r, 8000)).max() > 0
    song = midi(r, 3.0)
    assert song[:4] == b"MThd" and song[14:18] == b"MTrk" and int.from_bytes(song[18:22]) == len(song) - 22
