// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faces of a video, each with a number that stays its own.
//!
//! Numbers count from the left where the first faces are seen, and go on with those that come later: each takes the lowest
//! one that is free. A face keeps its number until it was away for [`GONE`].

use crate::face::find::{FaceChoice, Spot};

/// Seconds after which a face that is away loses its number.
pub const GONE: f64 = 1.0;

/// Seconds after which what was no face is looked at again: it may have been one that looked away.
const LOOK_AGAIN: f64 = 0.5;

/// Farthest from where a face is expected that it is taken for the same, in sides of its box; and that, for each second
/// that it was away.
const REACH: f32 = 0.8;
const REACH_AWAY: f32 = 3.0;

/// Most that a face grows or shrinks at once.
const GROWTH: f32 = 1.8;

/// Share of the newest frame in a face's velocity, and in its size.
const VELOCITY_SHARE: f32 = 0.15;
const SIDE_SHARE: f32 = 0.25;

/// Seconds between two frames below which they tell no velocity.
const LEAST_TIME: f32 = 0.001;

/// Part of its size that a face shrinks to at once when it is half hidden; what the detector sees then tells neither its
/// size nor where it goes.
const HIDDEN: f32 = 0.8;

/// One who is or was in the picture.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// No other face ever has it.
    pub id: u64,
    /// From 1; `None` for what the detector takes for a face and is none.
    pub number: Option<usize>,
    /// Where the face is, or was last.
    pub spot: Spot,
    /// Its usual size.
    side: f32,
    /// Pixels a second.
    velocity: [f32; 2],
    /// When it was seen last, and first, in seconds.
    seen: f64,
    since: f64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Crowd {
    people: Vec<Person>,
    last_id: u64,
}

impl Person {
    /// The spot where the face is expected.
    pub fn expected(&self, now: f64) -> Spot {
        let dt = (now - self.seen).clamp(0.0, GONE) as f32;
        let [dx, dy] = self.velocity.map(|v| v * dt);
        let [x0, y0, x1, y1] = self.spot.bounds;
        Spot { bounds: [x0 + dx, y0 + dy, x1 + dx, y1 + dy] }
    }

    /// Whether the face was seen in this frame.
    pub fn is_seen(&self, now: f64) -> bool {
        self.seen >= now
    }

    /// How far a face is from where this one is expected, as a part of how far it may be; `None` where it is another one.
    fn distance(&self, spot: &Spot, now: f64) -> Option<f32> {
        let (expected, side) = (self.expected(now), self.side.max(spot.side()));
        let growth = side / self.side.min(spot.side()).max(1.0);
        let ([ax, ay], [bx, by]) = (expected.centre(), spot.centre());
        let reach = (REACH + REACH_AWAY * (now - self.seen).max(0.0) as f32) * side;
        let distance = (ax - bx).hypot(ay - by);
        (growth <= GROWTH && distance <= reach).then(|| distance / side)
    }

    /// The face is there now.
    pub fn follow(&mut self, spot: Spot, now: f64) {
        let dt = (now - self.seen) as f32;
        if spot.side() >= HIDDEN * self.side {
            self.side += SIDE_SHARE * (spot.side() - self.side);
        }
        if dt > LEAST_TIME && spot.side() >= HIDDEN * self.side {
            let (from, to) = (self.spot.centre(), spot.centre());
            for axis in 0..2 {
                let velocity = (to[axis] - from[axis]) / dt;
                self.velocity[axis] += VELOCITY_SHARE * (velocity - self.velocity[axis]);
            }
        }
        (self.spot, self.seen) = (spot, now);
    }
}

impl Crowd {
    /// Nobody is known; numbers begin anew.
    pub fn forget(&mut self) {
        self.people.clear();
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        !self.people.iter().any(|p| p.number.is_some())
    }

    /// Those who have a number, seen in this frame or a moment ago.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|p| p.number.is_some())
    }

    /// The one of that id.
    pub fn get(&self, id: u64) -> Option<&Person> {
        self.people.iter().find(|p| p.id == id)
    }

    /// The same, to be followed by other means than [`Crowd::follow`].
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Person> {
        self.people.iter_mut().find(|p| p.id == id)
    }

    /// The next frame: who was away for too long is forgotten, faces that were seen are followed. Returns the indices of
    /// `spots` that are nobody's.
    pub fn follow(&mut self, spots: &[Spot], now: f64) -> Vec<usize> {
        self.people.retain(|p| match p.number {
            Some(_) => now - p.seen <= GONE,
            None => now - p.since <= LOOK_AGAIN,
        });
        // What is no face comes last: it may be the half of one that was hidden and shows itself again.
        let mut pairs: Vec<(bool, f32, usize, usize)> = Vec::new();
        for (person, p) in self.people.iter().enumerate() {
            let pair =
                |(spot, s): (usize, &Spot)| Some((p.number.is_none(), p.distance(s, now)?, person, spot));
            pairs.extend(spots.iter().enumerate().filter_map(pair));
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (mut followed, mut taken) = (vec![false; self.people.len()], vec![false; spots.len()]);
        for (_, _, person, spot) in pairs {
            if !followed[person] && !taken[spot] {
                (followed[person], taken[spot]) = (true, true);
                self.people[person].follow(spots[spot], now);
            }
        }
        (0..spots.len()).filter(|&spot| !taken[spot]).collect()
    }

    /// Somebody new, or what is no face; the new ones of a frame come in the order of their numbers.
    pub fn add(&mut self, spot: Spot, is_face: bool, now: f64) {
        let free = |number: &usize| self.people.iter().all(|p| p.number != Some(*number));
        let number = is_face.then(|| (1..).find(free)).flatten();
        self.last_id += 1;
        self.people.push(Person {
            id: self.last_id,
            number,
            spot,
            side: spot.side(),
            velocity: [0.0; 2],
            seen: now,
            since: now,
        });
    }

    /// The one that is chosen among those that are not `taken`; numbers are their own. `shown` tells where a spot lies in the
    /// video as it is shown, whose size is `size`.
    pub fn choose(
        &self,
        choice: FaceChoice,
        shown: impl Fn(&Spot) -> Spot,
        size: (f32, f32),
        taken: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let free = || self.people().filter(|p| !taken(p.id));
        if let FaceChoice::Number(number) = choice {
            return free().find(|p| p.number == Some(number)).map(|p| p.id);
        }
        let (ids, spots): (Vec<u64>, Vec<Spot>) = free().map(|p| (p.id, shown(&p.spot))).unzip();
        choice.among(&spots, size).and_then(|index| ids.get(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: f64 = 0.04;

    fn spot(x: f32) -> Spot {
        Spot { bounds: [x - 50.0, 100.0, x + 50.0, 200.0] }
    }

    /// Shows the crowd faces at those places, `FRAME` apart; returns the numbers of the faces in the last one.
    fn watch<const N: usize>(crowd: &mut Crowd, first: usize, frames: &[[f32; N]]) -> [Option<usize>; N] {
        let mut numbers = [None; N];
        for (index, places) in (first..).zip(frames) {
            let (spots, now) = (places.map(spot), index as f64 * FRAME);
            let new = crowd.follow(&spots, now);
            let mut ordered: Vec<Spot> = new.iter().map(|&i| spots[i]).collect();
            ordered.sort_by(|a, b| a.centre()[0].total_cmp(&b.centre()[0]));
            ordered.into_iter().for_each(|s| crowd.add(s, true, now));
            numbers = spots.map(|s| crowd.people().find(|p| p.spot == s).and_then(|p| p.number));
        }
        numbers
    }

    #[test]
    fn numbers_count_from_the_left_and_stay_when_faces_cross() {
        let mut crowd = Crowd::default();
        assert_eq!(watch(&mut crowd, 0, &[[600.0, 200.0]]), [Some(2), Some(1)]);
        let steps: Vec<_> = (1..50).map(|i| [600.0 - 9.0 * i as f32, 200.0 + 9.0 * i as f32]).collect();
        assert_eq!(watch(&mut crowd, 1, &steps), [Some(2), Some(1)]);
    }

    #[test]
    fn a_face_that_is_hidden_while_they_cross_has_its_number_again() {
        let mut crowd = Crowd::default();
        let at = |i: usize| [600.0 - 9.0 * i as f32, 200.0 + 9.0 * i as f32];
        watch(&mut crowd, 0, &(0..20).map(at).collect::<Vec<_>>());
        // The first one alone is seen, before the other.
        watch(&mut crowd, 20, &(20..27).map(|i| [at(i)[0]]).collect::<Vec<_>>());
        assert_eq!(watch(&mut crowd, 27, &(27..45).map(at).collect::<Vec<_>>()), [Some(2), Some(1)]);
    }

    #[test]
    fn a_face_that_is_half_hidden_is_not_taken_for_a_small_one_that_stands_still() {
        let mut crowd = Crowd::default();
        watch(&mut crowd, 0, &(0..20).map(|i| [200.0 + 8.0 * i as f32]).collect::<Vec<_>>());
        for index in 20..23 {
            let half = Spot { bounds: [320.0, 120.0, 380.0, 180.0] };
            assert!(crowd.follow(&[half], f64::from(index) * FRAME).is_empty());
        }
        assert_eq!(watch(&mut crowd, 30, &[[200.0 + 8.0 * 30.0]]), [Some(1)]);
    }

    #[test]
    fn who_comes_back_within_a_second_keeps_the_number_and_later_it_is_free() {
        let mut crowd = Crowd::default();
        watch(&mut crowd, 0, &[[200.0, 600.0]; 5]);
        watch(&mut crowd, 5, &[[600.0]; 20]);
        assert_eq!(watch(&mut crowd, 25, &[[230.0, 600.0]; 5]), [Some(1), Some(2)]);
        assert_eq!(watch(&mut crowd, 30, &[[600.0]; 40]), [Some(2)], "the other one stays number 2");
        assert_eq!(watch(&mut crowd, 70, &[[600.0, 900.0]]), [Some(2), Some(1)], "the lowest free one");
        assert_eq!(watch(&mut crowd, 71, &[[600.0, 900.0, 1300.0]])[2], Some(3));
    }

    #[test]
    fn another_face_beside_one_that_is_away_does_not_take_its_number() {
        let mut crowd = Crowd::default();
        watch(&mut crowd, 0, &[[200.0, 600.0]; 5]);
        assert_eq!(watch(&mut crowd, 5, &[[600.0, 1500.0]]), [Some(2), Some(3)]);
    }

    #[test]
    fn what_is_no_face_has_no_number_and_is_looked_at_again_after_a_while() {
        let mut crowd = Crowd::default();
        crowd.add(spot(300.0), false, 0.0);
        assert!(crowd.is_empty());
        assert!(crowd.follow(&[spot(300.0)], 0.4).is_empty());
        assert_eq!(crowd.follow(&[spot(300.0)], 0.6), [0]);
        crowd.add(spot(300.0), true, 0.6);
        assert_eq!(crowd.people().map(|p| p.number).collect::<Vec<_>>(), [Some(1)]);
    }

    #[test]
    fn a_face_that_shows_itself_again_is_not_taken_for_what_is_none() {
        let mut crowd = Crowd::default();
        watch(&mut crowd, 0, &[[200.0]; 3]);
        crowd.add(spot(260.0), false, 3.0 * FRAME);
        assert_eq!(watch(&mut crowd, 4, &[[255.0]]), [Some(1)]);
    }

    #[test]
    fn the_choice_is_among_those_who_are_there_and_a_number_is_who_has_it() {
        let mut crowd = Crowd::default();
        let chosen = |crowd: &Crowd, choice: &str| {
            let id = crowd.choose(choice.parse().unwrap(), |s| *s, (1000.0, 300.0), |_| false)?;
            crowd.get(id)?.number
        };
        watch(&mut crowd, 0, &[[200.0, 600.0, 900.0]; 5]);
        watch(&mut crowd, 5, &[[600.0, 900.0]; 2]);
        assert_eq!(chosen(&crowd, "left"), Some(1), "away for a moment only");
        watch(&mut crowd, 7, &[[600.0, 900.0]; 30]);
        assert_eq!(chosen(&crowd, "left"), Some(2));
        assert_eq!([chosen(&crowd, "right"), chosen(&crowd, "0.1,0.5")], [Some(3), Some(2)]);
        assert_eq!([chosen(&crowd, "3"), chosen(&crowd, "1"), chosen(&crowd, "4")], [Some(3), None, None]);
        let right = crowd.choose(FaceChoice::Right, |s| *s, (1000.0, 300.0), |_| false);
        let other = crowd.choose(FaceChoice::Right, |s| *s, (1000.0, 300.0), |id| Some(id) == right);
        assert_eq!(other.and_then(|id| crowd.get(id)?.number), Some(2), "who is taken is not chosen");
        assert_eq!(
            crowd.choose(FaceChoice::Number(3), |s| *s, (1000.0, 300.0), |id| Some(id) == right),
            None
        );
    }
}
