// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes that must not make the head jump: followed exactly where they are slow, eased where they are sudden.

/// Time constant of the easing, seconds: critically damped, 95 % of a change is there after 0.57 s.
const TIME_CONSTANT: f32 = 0.12;

/// What is left of a change is dropped below this: a steady state is exact again.
const SETTLED: f32 = 1e-4;

/// `N` values that follow their targets.
///
/// A target that moves slowly is followed without delay, so that keyframes hold. What moves faster than its limit leaves
/// a residual, the way that is still to go, which then decays like a critically damped spring.
#[derive(Clone, Copy, Debug)]
pub struct Ease<const N: usize> {
    target: Option<[f32; N]>,
    residual: [f32; N],
    velocity: [f32; N],
}

impl<const N: usize> Default for Ease<N> {
    fn default() -> Self {
        Self { target: None, residual: [0.0; N], velocity: [0.0; N] }
    }
}

impl<const N: usize> Ease<N> {
    /// One frame of `dt` seconds on. `limits` are the fastest changes that are followed as they are, a second; the first
    /// frame is there at once.
    pub fn step(&mut self, target: [f32; N], limits: [f32; N], dt: f32) -> [f32; N] {
        if let Some(last) = self.target.replace(target) {
            for i in 0..N {
                let change = last[i] - target[i];
                if change.abs() > limits[i] * dt {
                    self.residual[i] += change;
                }
            }
        }
        let (rate, decay) = (1.0 / TIME_CONSTANT, (-dt / TIME_CONSTANT).exp());
        let mut value = target;
        for i in 0..N {
            let (x, v) = (self.residual[i], self.velocity[i]);
            if x == 0.0 && v == 0.0 {
                continue;
            }
            let push = v + rate * x;
            (self.residual[i], self.velocity[i]) = ((x + push * dt) * decay, (v - rate * push * dt) * decay);
            if self.residual[i].abs() < SETTLED && self.velocity[i].abs() * TIME_CONSTANT < SETTLED {
                (self.residual[i], self.velocity[i]) = (0.0, 0.0);
            }
            value[i] += self.residual[i];
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 0.04;

    #[test]
    fn a_sudden_change_starts_gently_and_arrives() {
        let mut ease = Ease::<1>::default();
        assert_eq!(ease.step([0.0], [60.0], DT), [0.0]);
        let path: Vec<f32> = (0..60).map(|_| ease.step([20.0], [60.0], DT)[0]).collect();
        let steps = path.windows(2).map(|w| w[1] - w[0]);
        assert!(path[0] > 0.0 && path[0] < 2.0, "{path:?}");
        assert!(steps.clone().all(|s| (0.0..3.0).contains(&s)), "{path:?}");
        assert!(path[14] > 19.0, "95 % after 0.6 s: {path:?}");
        assert_eq!(path[59], 20.0, "it settles exactly");
    }

    #[test]
    fn a_slow_change_is_followed_without_delay() {
        let mut ease = Ease::<1>::default();
        for i in 0..30 {
            let target = i as f32 * 2.0;
            assert_eq!(ease.step([target], [60.0], DT), [target]);
        }
    }

    #[test]
    fn a_change_in_the_middle_of_a_change_does_not_jump() {
        let mut ease = Ease::<1>::default();
        let mut last = ease.step([0.0], [60.0], DT)[0];
        for i in 0..60 {
            let target = if (i / 3) % 2 == 0 { 20.0 } else { -20.0 };
            let now = ease.step([target], [60.0], DT)[0];
            assert!((now - last).abs() < 6.0, "frame {i}: {last} to {now}");
            last = now;
        }
    }
}
