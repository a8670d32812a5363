// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a generator's colours differ from the photo's along the edge of its square, while nothing moves: a seam would show it.
//!
//! The differences along the edge go on smoothly inwards (the membrane of P. Perez et al., Poisson Image Editing, 2003), on a
//! coarse grid. They are measured once a photo, so that they do not flicker and no motion is taken for a colour.

/// Cells of the grid along a side.
const CELLS: usize = 16;

/// The most that is taken off, in grey levels: more is another picture and not another colour.
const MOST: f32 = 32.0;

/// Rounds in which values along the edge spread over the grid.
const ROUNDS: usize = 400;

/// What is added to the pixels of a square.
#[derive(Clone, Debug)]
pub struct Tone {
    field: Vec<[f32; 3]>,
}

impl Tone {
    /// Colours as they are.
    pub fn none(side: usize) -> Self {
        Self { field: vec![[0.0; 3]; side * side] }
    }

    /// From the square as it is drawn at rest and the same square of the photo: planes of red, green and blue, 0 to 1.
    pub fn new(side: usize, drawn: &[f32], photo: &[f32]) -> Self {
        let plane = side * side;
        let mut grid = vec![[0.0f32; 3]; CELLS * CELLS];
        let span =
            |cell: usize| cell * side / CELLS..((cell + 1) * side / CELLS).max(cell * side / CELLS + 1);
        for cy in 0..CELLS {
            for cx in 0..CELLS {
                if !is_edge(cx, cy) {
                    continue;
                }
                let mut sum = [0.0; 3];
                let mut count = 0.0;
                for y in span(cy) {
                    for x in span(cx) {
                        for c in 0..3 {
                            let at = c * plane + y * side + x;
                            sum[c] += 255.0 * (photo[at] - drawn[at]);
                        }
                        count += 1.0;
                    }
                }
                grid[cy * CELLS + cx] = sum.map(|v| (v / count).clamp(-MOST, MOST));
            }
        }
        spread(&mut grid);
        let place = |i: usize| {
            let at = ((i as f32 + 0.5) / side as f32 * CELLS as f32 - 0.5).clamp(0.0, (CELLS - 1) as f32);
            (at as usize, (at as usize + 1).min(CELLS - 1), at.fract())
        };
        let field = (0..plane).map(|i| {
            let ((x0, x1, fx), (y0, y1, fy)) = (place(i % side), place(i / side));
            [0, 1, 2].map(|c| {
                let at = |x: usize, y: usize| grid[y * CELLS + x][c];
                let (top, low) = (
                    at(x0, y0) + fx * (at(x1, y0) - at(x0, y0)),
                    at(x0, y1) + fx * (at(x1, y1) - at(x0, y1)),
                );
                top + fy * (low - top)
            })
        });
        Self { field: field.collect() }
    }

    /// What is added to a pixel, in grey levels.
    #[inline(always)]
    pub fn at(&self, pixel: usize) -> [f32; 3] {
        self.field[pixel]
    }
}

fn is_edge(x: usize, y: usize) -> bool {
    [x, y].iter().any(|&v| v == 0 || v == CELLS - 1)
}

/// Lets the values along the edge go on inwards, each cell the mean of its neighbours.
fn spread(grid: &mut [[f32; 3]]) {
    for _ in 0..ROUNDS {
        for y in 1..CELLS - 1 {
            for x in 1..CELLS - 1 {
                let at = y * CELLS + x;
                let near = [at - 1, at + 1, at - CELLS, at + CELLS];
                grid[at] = [0, 1, 2].map(|c| near.iter().map(|&n| grid[n][c]).sum::<f32>() / 4.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    fn planes(value: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
        (0..3 * SIDE * SIDE).map(|i| value(i / (SIDE * SIDE), i % SIDE, i / SIDE % SIDE)).collect()
    }

    #[test]
    fn another_colour_is_taken_off_everywhere_and_another_picture_is_not() {
        let photo = planes(|c, x, y| 0.3 + 0.1 * c as f32 + 0.002 * (x + y) as f32);
        let tinted: Vec<f32> =
            photo.iter().enumerate().map(|(i, v)| v - 0.04 * (i / (SIDE * SIDE)) as f32).collect();
        let tone = Tone::new(SIDE, &tinted, &photo);
        for pixel in [0, SIDE / 2 * SIDE + SIDE / 2, SIDE * SIDE - 1] {
            for (c, value) in tone.at(pixel).into_iter().enumerate() {
                assert!((value - 255.0 * 0.04 * c as f32).abs() < 0.1, "{pixel} {c}: {value}");
            }
        }
        let black = Tone::new(SIDE, &planes(|_, _, _| 0.0), &planes(|_, _, _| 1.0));
        assert!(black.at(0)[0] <= MOST);
    }

    #[test]
    fn what_is_inside_tells_nothing_of_the_colours() {
        let inside = |x: usize, y: usize| (8..56).contains(&x) && (8..56).contains(&y);
        let photo = planes(|_, _, _| 0.5);
        let drawn = planes(|_, x, y| if inside(x, y) { 0.9 } else { 0.5 });
        let tone = Tone::new(SIDE, &drawn, &photo);
        assert!((0..SIDE * SIDE).all(|i| tone.at(i)[1].abs() < 1e-3));
    }

    #[test]
    fn differences_along_the_edge_go_on_inwards_smoothly() {
        let photo = planes(|_, _, _| 0.5);
        let drawn = planes(|_, x, _| 0.5 + 0.08 * (x as f32 / SIDE as f32 - 0.5));
        let tone = Tone::new(SIDE, &drawn, &photo);
        let row: Vec<f32> = (0..SIDE).map(|x| tone.at(32 * SIDE + x)[0]).collect();
        assert!(row.is_sorted_by(|a, b| a >= b) && row[0] > 8.0 && row[63] < -8.0, "{row:?}");
        assert!(row[32].abs() < 0.7);
    }
}
