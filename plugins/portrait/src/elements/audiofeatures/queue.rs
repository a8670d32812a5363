// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was heard and waits for its frames: sound, silence, and holes that are left out.

use std::collections::VecDeque;

/// A part of what waits.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// Samples.
    Sound(Vec<f32>),
    /// As many samples of silence.
    Silence(u64),
    /// Nothing is heard up to that position, and nothing is shown.
    Skip(u64),
}

/// Pieces in the order of their positions. Each call costs the same, however much waits.
#[derive(Default)]
pub struct Queue {
    pieces: VecDeque<Piece>,
    /// How many pieces have left the front: the number of the first one.
    left: u64,
    /// Number and position of the newest silence.
    silence: Option<(u64, u64)>,
}

impl Queue {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.left += self.pieces.len() as u64;
        self.pieces.clear();
        self.silence = None;
    }

    /// Appends samples.
    pub fn push_sound(&mut self, samples: Vec<f32>) {
        self.pieces.push_back(Piece::Sound(samples));
    }

    /// Appends silence, which begins at a position.
    pub fn push_silence(&mut self, position: u64, count: u64) {
        match self.pieces.back_mut() {
            Some(Piece::Silence(last)) => *last += count,
            _ => {
                self.silence = Some((self.left + self.pieces.len() as u64, position));
                self.pieces.push_back(Piece::Silence(count));
            }
        }
    }

    /// Appends a hole up to a position.
    pub fn push_skip(&mut self, to: u64) {
        self.pieces.push_back(Piece::Skip(to));
    }

    /// The samples that come out, up to the first hole.
    pub fn samples(&self) -> impl Iterator<Item = f32> {
        self.pieces
            .iter()
            .map_while(|piece| match piece {
                Piece::Sound(samples) => Some((&samples[..], 0)),
                Piece::Silence(count) => Some((&[][..], *count as usize)),
                Piece::Skip(_) => None,
            })
            .flat_map(|(sound, silence)| sound.iter().copied().chain(std::iter::repeat_n(0.0, silence)))
    }

    /// Takes the first piece out; of a long silence only `bite` samples.
    pub fn pop(&mut self, bite: u64) -> Option<Piece> {
        if let Some(Piece::Silence(count)) = self.pieces.front_mut()
            && *count > bite
        {
            *count -= bite;
            if let Some((number, position)) = &mut self.silence
                && *number == self.left
            {
                *position += bite;
            }
            return Some(Piece::Silence(bite));
        }
        let piece = self.pieces.pop_front()?;
        self.left += 1;
        Some(piece)
    }

    /// Moves everything later by so many samples, the first piece to a position; silence gives way. Returns the position
    /// behind all of it, and behind the sound of it, if there is any.
    pub fn delay(&mut self, by: u64, mut position: u64) -> (u64, Option<u64>) {
        let (mut left, mut sound_end) = (by, None);
        for (number, piece) in (self.left..).zip(&mut self.pieces) {
            match piece {
                Piece::Sound(samples) => {
                    position += samples.len() as u64;
                    sound_end = Some(position);
                }
                Piece::Silence(count) => {
                    let cut = left.min(*count);
                    (*count, left) = (*count - cut, left - cut);
                    self.silence = Some((number, position));
                    position += *count;
                }
                Piece::Skip(to) => position = *to,
            }
        }
        (position, sound_end)
    }

    /// Takes back what the newest silence holds from a position on; what stands behind it moves up. Returns how many
    /// samples that were, and where the silence began.
    pub fn take_back(&mut self, from: u64) -> (u64, u64) {
        let Some((number, position)) = self.silence else { return (0, 0) };
        let index = number.checked_sub(self.left).and_then(|index| usize::try_from(index).ok());
        let Some(index) = index else { return (0, position) };
        let Some(Piece::Silence(count)) = self.pieces.get_mut(index) else { return (0, position) };
        let kept = from.saturating_sub(position).min(*count);
        let taken = *count - kept;
        *count = kept;
        if kept == 0 && index + 1 == self.pieces.len() {
            self.pieces.pop_back();
            self.silence = None;
        }
        (taken, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut Queue) -> Vec<Piece> {
        std::iter::from_fn(|| queue.pop(1000)).collect()
    }

    #[test]
    fn silence_is_handed_out_in_bites_and_grows_at_its_end() {
        let mut queue = Queue::default();
        queue.push_silence(0, 1500);
        queue.push_silence(1500, 700);
        queue.push_sound(vec![1.0]);
        assert_eq!(
            all(&mut queue),
            [Piece::Silence(1000), Piece::Silence(1000), Piece::Silence(200), Piece::Sound(vec![1.0])]
        );
    }

    #[test]
    fn silence_is_taken_back_from_the_end_from_the_middle_and_when_half_of_it_is_gone() {
        let mut queue = Queue::default();
        queue.push_sound(vec![1.0; 10]);
        queue.push_silence(10, 90);
        assert_eq!(queue.take_back(40), (60, 10));
        queue.push_sound(vec![2.0]);
        assert_eq!(queue.take_back(15), (25, 10), "what stands behind it moves up");
        assert_eq!(queue.take_back(15), (0, 10));
        assert_eq!(
            all(&mut queue),
            [Piece::Sound(vec![1.0; 10]), Piece::Silence(5), Piece::Sound(vec![2.0])]
        );
        assert_eq!(queue.take_back(0).0, 0, "it is gone");

        queue.push_silence(10, 4);
        queue.push_sound(vec![1.0]);
        queue.push_silence(15, 10);
        queue.push_sound(vec![2.0]);
        // Eleven samples of silence and two of sound, from 17 on now.
        assert_eq!(queue.delay(7, 17), (26, Some(26)), "silence gave way");
        assert_eq!(queue.take_back(0), (7, 18));
        assert_eq!(queue.delay(5, 24), (26, Some(26)));
        assert_eq!(
            all(&mut queue),
            [Piece::Silence(0), Piece::Sound(vec![1.0]), Piece::Silence(0), Piece::Sound(vec![2.0])]
        );

        queue.push_silence(100, 3000);
        assert_eq!(queue.pop(1000), Some(Piece::Silence(1000)));
        assert_eq!(queue.take_back(0), (2000, 1100));
        assert!(queue.is_empty());
    }
}
