# SPDX-License-Identifier: MIT OR Apache-2.0
"""The mouth where no voice is. Run: python -m pytest models"""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.speech2landmarks.cuts import RATE, SPEECH, Listener, late, opening
from models.speech2landmarks.model import AHEAD
from models.speech2landmarks.dataset import wave
from models.speech2landmarks.model import BANDS, FLOOR, HIDDEN, MORE, PAST, SCALE, STATE, VOICE, Pause
from models.speech2landmarks.noises import coloured, drums, midi, noise
from models.speech2landmarks.recover import stage as module
from models.speech2landmarks.settle import BEFORE, BEHIND, CLOSING, LONG, WAITING, Batches, targets, through

PACK = Path(__file__).resolve().parents[1] / "packs" / "lite"
# of the inner lips, in inter-ocular distances
SHUT = 0.02


@pytest.fixture(scope="module")
def listen() -> Listener:
    return Listener(PACK)


@pytest.mark.parametrize("name", AHEAD)
def test_the_mouth_shuts_and_stays_shut_after_speech_that_is_cut(stage, listen, name):
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    for voice, cuts in dict(af_heart=(1.7, 3.13, 3.4, 5.7, 6.9, 8.57, 10.0), am_michael=(2.0, 3.22, 7.49)).items():
        w = wave(SPEECH / f"speech-{voice}.wav", level=False)
        for at in cuts:
            n = int(at * RATE)
            a = opening(net, listen(np.concatenate([w[:n], np.zeros(4 * RATE, np.float32)]), AHEAD[name]), face, state)
            assert a[: n // 640].max() > 0.1, "it speaks"
            assert late(a, n).max() < SHUT, (voice, at, late(a, n).max())


@pytest.mark.parametrize("name", AHEAD)
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
                net.pause.pause, net.pause.forget = 1e3, 1e3
            rest = net(quiet, face, torch.zeros(8), torch.zeros(STATE))[0]
            state = torch.zeros(STATE)
            state[PAST * BANDS : PAST * BANDS + HIDDEN] = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(0)).sign()
            away = (net(quiet, face, torch.zeros(8), state)[0] - rest).abs().amax((1, 2))
            assert away[0] > 0.01
            # in 0.6 s
            assert (away[16:].max() < 0.05 * away[0]) == forgets


@pytest.mark.parametrize("name", AHEAD)
def test_a_pause_within_speech_loses_nothing(stage, listen, name):
    """A gap as long as the closure of a consonant: what is said behind it is what a net says that forgets nothing."""
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    w = wave(SPEECH / "speech-af_heart.wav", level=False)[: 3 * RATE].copy()
    w[2 * RATE : 2 * RATE + 1600] = 0
    x = listen(w, AHEAD[name])
    free = module(PACK / f"{name}.pt")
    free.pause.pause, free.pause.forget = 1e3, 1e3
    assert np.abs(opening(net, x, face, state) - opening(free, x, face, state)).max() < 0.01


@pytest.mark.parametrize("name", AHEAD)
def test_a_pause_of_a_third_of_a_second_is_no_end(stage, listen, name):
    """The mouth may stay open in it, and what is said behind it is what a net says that shuts nothing."""
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    w = wave(SPEECH / "speech-af_heart.wav", level=False)[: 3 * RATE].copy()
    at, long = 2 * RATE, RATE // 3
    x = listen(np.concatenate([w[:at], np.zeros(long, np.float32), w[at:]]), AHEAD[name])
    free = module(PACK / f"{name}.pt")
    free.pause.pause, free.pause.forget = 1e3, 1e3
    assert np.abs(opening(net, x, face, state) - opening(free, x, face, state)).max() < 0.01


@pytest.mark.parametrize("name", AHEAD)
@pytest.mark.parametrize("level", [-50.0, -45.0, -40.0])
def test_the_mouth_shuts_where_a_vowel_is_cut_off_into_a_noisy_room(stage, listen, name, level):
    """Noise that stays 13 dB below the voice is none. This cut held the mouth open for 0.7 s."""
    net, g = stage(name)
    face, state = g[f"{name}.in.1"], len(g[f"{name}.in.3"])
    n = int(3.22 * RATE)
    room = np.random.default_rng(5).normal(0, 10 ** (level / 20), 2 * RATE).astype(np.float32)
    w = np.concatenate([wave(SPEECH / "speech-am_michael.wav", level=False)[:n], room])
    assert late(opening(net, listen(w, AHEAD[name]), face, state), n).max() < 0.03


def test_counting_frames_without_voice_has_two_thresholds():
    """What is louder than 13 dB below the level is voice; a mouth that is shut opens for what is louder still."""
    pause = Pause(4)

    def shown(*frames: tuple[float, int]) -> torch.Tensor:
        """Of frames that are so many nats below the level."""
        rows = torch.cat([torch.full((n, 4, 80), (FLOOR - below) / SCALE) for below, n in frames])[None]
        return pause(rows, torch.zeros(1, 2))[0][0]

    n = 14  # the look-ahead and the pause
    quiet, soft, loud = VOICE + 0.5, VOICE - 0.5, VOICE - MORE - 0.5
    assert shown((quiet, 40))[: n - 1].eq(1).all() and shown((quiet, 40))[n:].eq(0).all()
    assert shown((soft, 40)).eq(1).all()
    assert shown((quiet, 10), (soft, 1), (quiet, 10)).eq(1).all(), "a voice between starts the pause anew"
    assert shown((quiet, 20), (soft, 20))[20:].eq(0).all()
    # Both ways in two frames, so that nothing jumps.
    assert shown((quiet, 20), (loud, 2))[-3:].tolist() == [0.0, 0.5, 1.0]


def test_a_haste_puts_an_answer_on_along_its_own_way(stage):
    """So that it is as late as without one where it stands still, and earlier where it moves."""
    _, g = stage("speech2landmarks")
    ins = [g[f"speech2landmarks.in.{i}"] for i in range(4)]
    net = module(PACK / "speech2landmarks.pt")
    with torch.no_grad():
        hasty, state = net(*ins)
        net.net.haste = 0.0
        plain, same = net(*ins)
    assert torch.equal(state, same) and not torch.equal(hasty, plain)
    a, b = (y[:, 14, 1] - y[:, 13, 1] for y in (hasty, plain))
    assert (((a - b)[1:] * (b[1:] - b[:-1]))[(b[1:] - b[:-1]).abs() > 0.01] > 0).all()


def test_the_target_is_what_ships_until_the_cut_and_the_shut_mouth_behind_it():
    r = np.random.default_rng(0)
    whole = module(PACK / "speech2landmarks.pt")
    random = lambda *shape: torch.from_numpy(r.normal(0, 1, (*shape, 4, 128)).astype(np.float32))  # noqa: E731
    silence = torch.full((4, 128), -13.8)
    silence[:, 80:] = 0
    z = dict(talk=random(2, LONG), room=random(2, LONG), mixed=random(1, LONG), seams=random(2, BEFORE + 1 + BEHIND), silence=silence)
    z |= {"mixed of": torch.tensor([1]), "cuts": torch.tensor([[0, 50, 0]])}
    batches = Batches(z, 2, r)
    d = batches.take(dict(cuts=1, talk=1, mixed=1, room=1))
    assert d["ends"].tolist() == [50, LONG, LONG, 0]
    shown = torch.ones(4, LONG)
    y, shut = targets(whole.net, d, silence, shown, 0.0)
    with torch.no_grad():
        said = through(whole.net, d["teach"], d["own"], d)
    # A cut into noise: what ships, until the voice has ended, then a still face.
    assert torch.equal(y[0, :53], said[0, :53]) and torch.allclose(y[0, 50 + WAITING + CLOSING :], y[0, -1:], atol=1e-6)
    assert not torch.allclose(said[0, 50 + WAITING + CLOSING :], y[0, -1:], atol=1e-2)
    # Speech is left alone, and with music behind it what is said of the speech is the target.
    assert torch.equal(y[1:3], said[1:3]) and not torch.equal(d["own"][2], d["tokens"][2])
    assert torch.allclose(y[3], y[3, :1], atol=1e-6) and shut[3].eq(1).all()
    # Early by half a frame: between a frame's answer and the next one's.
    early = targets(whole.net, d, silence, shown, 0.5)[0]
    assert torch.allclose(early[1, :-1], (said[1, :-1] + said[1, 1:]) / 2, atol=1e-6)
    # Where the stage shuts the mouth itself, the target shuts with it and not before.
    shown[0, 62:] = 0
    y, shut = targets(whole.net, d, silence, shown, 0.0)
    assert torch.equal(y[0, :62], said[0, :62]) and shut[0, 62:].eq(1).all()


def test_sounds_for_training_are_as_loud_as_each_other():
    r = np.random.default_rng(0)
    for _ in range(12):
        w = noise(r, 1.5)
        assert w.shape == (24000,) and np.isfinite(w).all() and abs(w.std() - 1) < 0.05
    assert abs(coloured(8000, r).std() - 1) < 1e-6 and np.abs(drums(r, 8000)).max() > 0
    song = midi(r, 3.0)
    assert song[:4] == b"MThd" and song[14:18] == b"MTrk" and int.from_bytes(song[18:22]) == len(song) - 22
