// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times the renderer on a prepared portrait and, on request, writes the frames.
//!
//! `cargo run --release -p gst-plugin-portrait --example render_bench -- SOURCE.safetensors [crop|full] [FOLDER]`
//! SOURCE holds `picture` [512,512,3], `landmarks` [478,3], `matte` [512,512], `plate` [512,512,3], optionally `photo`
//! [H,W,3] and `crop` [x, y, side], and `driving` [N,478,3].
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::time::{Duration, Instant};

use gstportrait::pack::{DEFAULT_PACK, Pack};
use gstportrait::render::{
    Background, Format, Layout, Matrix, Motion, Output, Planes, Renderer, Source, Still, Transparency, Warp,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a SOURCE.safetensors")?;
    let full = arguments.next().as_deref() == Some("full");
    let folder = arguments.next();
    tch::set_num_threads(1);
    let tensors = tch::Tensor::read_safetensors(&path)?;
    let find = |name: &str| tensors.iter().find(|(k, _)| k == name).map(|(_, t)| t);
    let floats = |name: &str| -> Result<Vec<f32>> {
        Ok(Vec::try_from(find(name).ok_or_else(|| format!("no tensor {name}"))?.reshape([-1]))?)
    };
    let bytes = |name: &str| -> Result<Vec<u8>> {
        Ok(Vec::try_from(find(name).ok_or_else(|| format!("no tensor {name}"))?.reshape([-1]))?)
    };
    let (picture, matte, plate) = (bytes("picture")?, bytes("matte")?, bytes("plate")?);
    let (landmarks, driving) = (floats("landmarks")?, floats("driving")?);
    let whole = bytes("photo").unwrap_or_default();
    let crop = Still {
        width: 512,
        height: 512,
        rgb: &picture,
        origin: [0.0; 2],
        scale: [512.0; 2],
        photo: [0.0, 0.0, 512.0, 512.0],
        matte: None,
        transparency: Transparency::None,
    };
    let photo = find("photo").map(|t| t.size()).zip(floats("crop").ok()).map(|(size, crop)| Still {
        width: size[1] as usize,
        height: size[0] as usize,
        rgb: &whole,
        origin: [crop[0], crop[1]],
        scale: [crop[2]; 2],
        photo: [0.0, 0.0, size[1] as f32, size[0] as f32],
        matte: None,
        transparency: Transparency::None,
    });
    let still = photo.filter(|_| full).unwrap_or(crop);
    let pack = Pack::open(DEFAULT_PACK)?;
    let zeros = vec![0.0; 4096];
    let code = |stage: &str, input: usize| -> Result<usize> {
        let stage = pack.stage(stage, tch::Device::Cpu)?;
        Ok(stage.input_shape(input).iter().product::<i64>() as usize)
    };
    let source = Source {
        side: 512,
        picture: &picture,
        landmarks: landmarks.as_chunks().0,
        matte: &matte,
        foreground: &picture,
        plate: &plate,
        mouth_code: &zeros[..code("mouth", 3)?],
        eye_code: &zeros[..code("eyes", 2)?],
        parallax: &[],
        covered: false,
        large_eyes: None,
    };
    let start = Instant::now();
    let mut renderer = Warp::new(&source, None, &pack, tch::Device::Cpu)?;
    let matrix = Matrix::new(0.2126, 0.0722, false, true);
    let format = Format { layout: Layout::Rgb, straight: true, matrix };
    renderer.set_output(&source, &Output { still, format, background: Background::Keep })?;
    let (width, height) = (still.width, still.height);
    println!("{width} x {height}, made in {:?}", start.elapsed());
    let latents = &pack.manifest().latents;
    let frames: Vec<Vec<f32>> = driving
        .as_chunks::<3>()
        .0
        .chunks_exact(478)
        .map(|face| {
            let mut values: Vec<f32> = latents.control_points.iter().flat_map(|&i| face[i]).collect();
            values.resize(latents.count * 3, 0.0);
            values
        })
        .collect();
    let mut out = vec![0; width * height * 3];
    let render = |renderer: &mut Warp, frame: &[f32], out: &mut [u8]| {
        let data = [out, &mut [], &mut []];
        let motion = Motion { latents: frame, lift: 0.0 };
        renderer.draw(&source, motion, &mut Planes { data, strides: [width * 3, 0, 0] })
    };
    if let Some(folder) = folder {
        for (i, frame) in frames.iter().enumerate() {
            render(&mut renderer, frame, &mut out)?;
            let path = std::path::Path::new(&folder).join(format!("{i:04}.png"));
            image::save_buffer(path, &out, width as u32, height as u32, image::ColorType::Rgb8)?;
        }
    }
    let mut times = vec![Vec::new(); 3];
    let start = Instant::now();
    while times[0].len() < 50 || start.elapsed() < Duration::from_secs(4) {
        for frame in &frames {
            let begin = Instant::now();
            render(&mut renderer, frame, &mut out)?;
            let t = renderer.timings();
            for (list, time) in times.iter_mut().zip([t.paint, t.compose, begin.elapsed()]) {
                list.push(time);
            }
        }
    }
    println!("{} frames in {:?}", times[0].len(), start.elapsed());
    for (name, mut list) in ["paint", "compose", "frame"].into_iter().zip(times) {
        list.sort();
        let at = |q: usize| list[(list.len() - 1) * q / 100].as_secs_f64() * 1e3;
        println!("{name:9} median {:7.3} ms   10% {:7.3}   90% {:7.3}", at(50), at(10), at(90));
    }
    Ok(())
}
