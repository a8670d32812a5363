// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several channels become the one that is heard: their mean, or the loudest one where the mean loses it.
//!
//! Channels cancel where one is the other's negative, as after a wrongly wired cable or in a "karaoke" side signal; and a
//! voice on one channel of many is faint in their mean. Sample after sample, so that it does not matter how the samples
//! are cut into buffers.

/// Most channels that are taken: `audioconvert` before it ends the process at its 64th.
pub const MAX_CHANNELS: usize = 63;

/// The mean is left where it holds less than this share of the loudest channel's power (-4.5 dB: a voice on one channel
/// of two has -6, two voices on two channels -3) ...
const LEAVE_MEAN: f32 = 0.35;

/// ... and taken again where it holds more than this (-3.5 dB).
const TAKE_MEAN: f32 = 0.45;

/// A channel gives way to another of so many times its power.
const LOUDER: f32 = 2.0;

/// Time constant of the powers, in seconds.
const POWER_TIME: f32 = 0.05;

/// How long a change from one signal to another takes, in seconds.
const FADE_TIME: f32 = 0.02;

/// Mixes channels down to one.
pub struct Mixdown {
    channels: usize,
    rate: f32,
    /// Mean power of each channel, and of their mean.
    powers: Vec<f32>,
    mean_power: f32,
    /// The channel that is heard, `None` for the mean, and what was heard before it.
    heard: Option<usize>,
    before: Option<usize>,
    /// How far the change has come, 0 to 1.
    faded: f32,
}

impl Mixdown {
    /// For so many channels, at least one, of so many samples a second.
    pub fn new(channels: usize, rate: u32) -> Self {
        let channels = channels.clamp(1, MAX_CHANNELS);
        Self {
            channels,
            rate: rate as f32,
            powers: vec![0.0; channels],
            mean_power: 0.0,
            heard: None,
            before: None,
            faded: 1.0,
        }
    }

    /// How many channels come in.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        *self = Self::new(self.channels, self.rate as u32);
    }

    /// Mixes interleaved samples in place: the mixed ones are the first of them, and the rest is cut off.
    pub fn apply(&mut self, samples: &mut Vec<f32>) {
        if self.channels == 1 {
            return;
        }
        let frames = samples.len() / self.channels;
        for frame in 0..frames {
            let mixed = self.mix(&samples[frame * self.channels..(frame + 1) * self.channels]);
            samples[frame] = mixed;
        }
        samples.truncate(frames);
    }

    /// One moment of all channels.
    fn mix(&mut self, moment: &[f32]) -> f32 {
        // Exact: equal channels are themselves.
        let mean = (moment.iter().map(|s| f64::from(*s)).sum::<f64>() / self.channels as f64) as f32;
        let share = 1.0 / (POWER_TIME * self.rate);
        let mut loudest = 0;
        for (channel, sample) in moment.iter().enumerate() {
            self.powers[channel] += share * (sample * sample - self.powers[channel]);
            if self.powers[channel] > self.powers[loudest] {
                loudest = channel;
            }
        }
        self.mean_power += share * (mean * mean - self.mean_power);
        self.faded = (self.faded + 1.0 / (FADE_TIME * self.rate)).min(1.0);
        if self.faded >= 1.0 {
            let heard = self.choose(loudest);
            if heard != self.heard {
                self.before = std::mem::replace(&mut self.heard, heard);
                self.faded = 0.0;
            }
        }
        let signal = |which: Option<usize>| which.map_or(mean, |channel| moment[channel]);
        let heard = signal(self.heard);
        if self.faded >= 1.0 { heard } else { heard * self.faded + signal(self.before) * (1.0 - self.faded) }
    }

    /// What should be heard.
    fn choose(&self, loudest: usize) -> Option<usize> {
        let loudest_power = self.powers[loudest];
        match self.heard {
            None => (self.mean_power < LEAVE_MEAN * loudest_power).then_some(loudest),
            Some(_) if self.mean_power > TAKE_MEAN * loudest_power => None,
            Some(channel) if loudest_power > LOUDER * self.powers[channel] => Some(loudest),
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn voice(i: usize) -> f32 {
        0.3 * (i as f32 * 0.11).sin() * (i as f32 * 0.0013).sin()
    }

    /// What half a second of `channels` is mixed to.
    fn mixed(channels: usize, sample: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let mut samples: Vec<f32> =
            (0..8000).flat_map(|i| (0..channels).map(move |c| (i, c))).map(|(i, c)| sample(i, c)).collect();
        Mixdown::new(channels, RATE).apply(&mut samples);
        samples
    }

    fn power(samples: &[f32]) -> f32 {
        samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
    }

    fn voice_power() -> f32 {
        power(&(0..8000).map(voice).collect::<Vec<_>>())
    }

    #[test]
    fn equal_channels_are_themselves_to_the_bit() {
        let voices: Vec<f32> = (0..8000).map(voice).collect();
        for channels in [1, 2, 4, 8] {
            assert_eq!(mixed(channels, |i, _| voice(i)), voices, "{channels}");
        }
    }

    #[test]
    fn a_voice_is_heard_whatever_channels_it_is_on() {
        let full = voice_power();
        type Sample = fn(usize, usize) -> f32;
        let cases: [(&str, usize, Sample); 6] = [
            ("left is the negative of right", 2, |i, c| if c == 0 { voice(i) } else { -voice(i) }),
            ("nearly so", 2, |i, c| if c == 0 { voice(i) } else { -0.9 * voice(i) }),
            ("left alone", 2, |i, c| if c == 0 { voice(i) } else { 0.0 }),
            ("the centre of 5.1", 6, |i, c| if c == 2 { voice(i) } else { 0.0 }),
            ("one of eight", 8, |i, c| if c == 7 { voice(i) } else { 0.001 * (i as f32 * 0.7).sin() }),
            ("pairs that cancel", 4, |i, c| if c % 2 == 0 { voice(i) } else { -voice(i) }),
        ];
        for (name, channels, sample) in cases {
            let heard = power(&mixed(channels, sample));
            assert!((0.8..1.01).contains(&(heard / full)), "{name}: {} of its power", heard / full);
        }
    }

    #[test]
    fn two_voices_on_two_channels_are_both_heard() {
        let voices = [|i: usize| 0.3 * (i as f32 * 0.11).sin(), |i: usize| 0.3 * (i as f32 * 0.071).cos()];
        let out = mixed(2, |i, c| voices[c](i));
        // As soon as the powers are known: the first milliseconds have the louder one.
        for i in 4000..8000 {
            assert!((out[i] - (voices[0](i) + voices[1](i)) / 2.0).abs() < 1e-6, "sample {i}");
        }
    }

    #[test]
    fn a_change_of_the_loudest_channel_does_not_click() {
        let out = mixed(2, |i, c| if (c == 0) == (i < 4000) { voice(i) } else { 0.0 });
        let step = |s: &[f32]| s.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        let usual = step(&(0..8000).map(voice).collect::<Vec<_>>());
        assert!(step(&out) < 1.1 * usual, "{} where the voice has {usual}", step(&out));
        assert!(power(&out[5000..]) > 0.8 * power(&(5000..8000).map(voice).collect::<Vec<_>>()));
    }

    /// A channel that is heard is heard as it is, in its pauses too.
    #[test]
    fn channels_that_cancel_are_one_of_them_to_the_bit() {
        let syllables = |i: usize| voice(i) * f32::from(u8::from((i / 1000).is_multiple_of(2)));
        let out = mixed(2, |i, c| if c == 0 { syllables(i) } else { -syllables(i) });
        // But for the first milliseconds, in which it is chosen.
        let differ: Vec<usize> = (400..8000).filter(|&i| out[i] != syllables(i)).collect();
        assert!(differ.is_empty(), "{} differ: {:?}", differ.len(), &differ[..differ.len().min(10)]);
    }

    #[test]
    fn cuts_do_not_matter() {
        let sample = |i: usize| if i.is_multiple_of(2) { voice(i / 2) } else { -0.4 * voice(i / 2 + 300) };
        let mut whole: Vec<f32> = (0..8000).map(sample).collect();
        let mut mixer = Mixdown::new(2, RATE);
        let parts: Vec<f32> = whole
            .chunks(2 * 123)
            .flat_map(|part| {
                let mut part = part.to_vec();
                mixer.apply(&mut part);
                part
            })
            .collect();
        Mixdown::new(2, RATE).apply(&mut whole);
        assert_eq!(whole, parts);
    }
}
