// SPDX-License-Identifier: MIT OR Apache-2.0
//! The similarity transform that brings one set of points onto another: Horn's closed form.
//!
//! B. K. P. Horn, Closed-form solution of absolute orientation using unit quaternions, JOSA A 4 (1987). The rotation
//! is the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix, found here by Jacobi rotations.

/// A 3x3 matrix, rows first.
pub type Matrix = [[f64; 3]; 3];

/// Sweeps after which Jacobi's method has long converged on 4x4 matrices.
const MAX_SWEEPS: usize = 32;

/// `scale * a @ rotation + shift ~ b`, acting on row vectors.
#[derive(Clone, Copy, Debug)]
pub struct Similarity {
    pub scale: f64,
    pub rotation: Matrix,
    pub shift: [f64; 3],
}

impl Similarity {
    /// A point through it.
    pub fn apply(&self, point: [f64; 3]) -> [f64; 3] {
        let turned = row_times(point, &self.rotation);
        std::array::from_fn(|i| self.scale * turned[i] + self.shift[i])
    }
}

/// Least-squares similarity of the points `a` onto `b`; `None` where the points of either all coincide, are not finite, or
/// are not equally many.
pub fn fit(a: &[[f64; 3]], b: &[[f64; 3]]) -> Option<Similarity> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    let mut cross = [[0.0; 3]; 3];
    let mut spread = 0.0;
    for (p, q) in a.iter().zip(b) {
        for i in 0..3 {
            let d = p[i] - mean_a[i];
            spread += d * d;
            for j in 0..3 {
                cross[i][j] += d * (q[j] - mean_b[j]);
            }
        }
    }
    let rotation = rotation_of(&cross)?;
    let gain: f64 = (0..3).map(|i| (0..3).map(|j| rotation[i][j] * cross[i][j]).sum::<f64>()).sum();
    let scale = gain / spread;
    if !(scale.is_finite() && scale > 0.0) {
        return None;
    }
    let moved = row_times(mean_a, &rotation);
    let shift = std::array::from_fn(|i| mean_b[i] - scale * moved[i]);
    Some(Similarity { scale, rotation, shift })
}

/// `p @ m` for a row vector.
pub fn row_times(p: [f64; 3], m: &Matrix) -> [f64; 3] {
    std::array::from_fn(|j| p[0] * m[0][j] + p[1] * m[1][j] + p[2] * m[2][j])
}

/// The inverse of a rotation.
pub fn transpose(m: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| m[j][i]))
}

fn mean(points: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|i| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64)
}

/// The rotation R (row vectors) that maximises the trace of `R^T cross`.
fn rotation_of(s: &Matrix) -> Option<Matrix> {
    let n = [
        [s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]],
        [s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
        [s[2][0] - s[0][2], s[0][1] + s[1][0], s[1][1] - s[0][0] - s[2][2], s[1][2] + s[2][1]],
        [s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], s[2][2] - s[0][0] - s[1][1]],
    ];
    let [w, x, y, z] = largest_eigenvector(n)?;
    // The transpose of the usual matrix: vectors are rows here.
    Some([
        [w * w + x * x - y * y - z * z, 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)],
        [2.0 * (x * y - w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z + w * x)],
        [2.0 * (x * z + w * y), 2.0 * (y * z - w * x), w * w - x * x - y * y + z * z],
    ])
}

/// Unit eigenvector of the largest eigenvalue of a symmetric matrix.
fn largest_eigenvector(mut m: [[f64; 4]; 4]) -> Option<[f64; 4]> {
    let size: f64 = m.iter().flatten().map(|v| v * v).sum();
    if !size.is_finite() || size == 0.0 {
        return None;
    }
    let mut vectors = [[0.0; 4]; 4];
    for (i, row) in vectors.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for _ in 0..MAX_SWEEPS {
        let off: f64 =
            (0..4).flat_map(|i| (i + 1..4).map(move |j| (i, j))).map(|(i, j)| m[i][j] * m[i][j]).sum();
        if off <= size * 1e-30 {
            break;
        }
        for p in 0..4 {
            for q in p + 1..4 {
                if m[p][q] == 0.0 {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut m {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = (m[p], m[q]);
                m[p] = std::array::from_fn(|k| c * above[k] - s * below[k]);
                m[q] = std::array::from_fn(|k| s * above[k] + c * below[k]);
                for row in &mut vectors {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            }
        }
    }
    let best = (0..4).max_by(|&i, &j| m[i][i].total_cmp(&m[j][j]))?;
    let v: [f64; 4] = std::array::from_fn(|i| vectors[i][best]);
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    Some(v.map(|x| x / norm))
}
