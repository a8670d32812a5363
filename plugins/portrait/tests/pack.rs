// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in pack: its stages give the numbers that its exporter wrote.

mod common;

use std::collections::BTreeMap;

use common::{init, pack};
use tch::{Device, Kind, Tensor};

/// Largest difference to the exporter's numbers, relative to the largest of them: another CPU rounds differently.
const TOLERANCE: f64 = 2e-3;

fn golden() -> BTreeMap<String, Tensor> {
    let path = pack().dir().join("golden.safetensors");
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

fn inputs(golden: &BTreeMap<String, Tensor>, stage: &str) -> Vec<Tensor> {
    let get = |i: usize| golden.get(&format!("{stage}.in.{i}")).map(Tensor::shallow_clone);
    (0..).map_while(get).collect()
}

/// Every stage of the pack is replayed; one without golden numbers fails.
#[test]
fn stages_replay_the_golden_numbers() {
    init();
    let (pack, golden) = (pack(), golden());
    for name in pack.manifest().stages.keys() {
        if ["detector", "mesh", "matte"].contains(&name.as_str()) {
            continue; // Third-party networks; the tests of photos cover them.
        }
        let inputs = inputs(&golden, name);
        assert!(!inputs.is_empty(), "{name} has no golden inputs");
        let outputs = pack.stage(name, Device::Cpu).unwrap().run(&inputs).unwrap();
        for (i, output) in outputs.iter().enumerate() {
            let expected = &golden[&format!("{name}.out.{i}")];
            assert_eq!(output.size(), expected.size(), "{name} output {i}");
            let scale = expected.abs().max().double_value(&[]).max(1e-3);
            let difference = (output - expected).abs().max().double_value(&[]);
            assert!(difference <= TOLERANCE * scale, "{name} output {i}: {difference} of {scale}");
        }
    }
}

/// The recurrent stages give the same numbers frame by frame as for all frames at once: streaming is no approximation.
#[test]
fn recurrent_stages_stream() {
    init();
    let (pack, golden) = (pack(), golden());
    // Stage, inputs with a row a frame, input and output that carry the state.
    for (name, per_frame, state) in
        [("speech2landmarks", vec![0], 3), ("pose", vec![0, 3], 4), ("landmarks2latents", vec![0, 1], 4)]
    {
        let stage = pack.stage(name, Device::Cpu).unwrap();
        let mut inputs = inputs(&golden, name);
        let whole = stage.run(&inputs).unwrap();
        let frames = inputs[0].size()[0];
        assert!(frames > 1, "{name}: golden numbers of one frame prove nothing");
        let all: Vec<Tensor> = inputs.iter().map(Tensor::shallow_clone).collect();
        let mut rows = Vec::new();
        for t in 0..frames {
            for &i in &per_frame {
                inputs[i] = all[i].narrow(0, t, 1);
            }
            let mut out = stage.run(&inputs).unwrap().into_iter();
            rows.push(out.next().unwrap());
            inputs[state] = out.next().unwrap();
        }
        let difference = (Tensor::cat(&rows, 0) - &whole[0]).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

/// The mean face is what the manifest promises: nose tip at the origin, inter-ocular distance 1.
#[test]
fn the_mean_face_is_normalised() {
    init();
    let pack = pack();
    let face = pack.mean_face();
    assert!(face[4].iter().all(|v| v.abs() < 1e-4), "{:?}", face[4]);
    let distance: f32 = (0..3).map(|i| (face[33][i] - face[263][i]).powi(2)).sum::<f32>().sqrt();
    assert!((distance - 1.0).abs() < 1e-3, "{distance}");
}

/// In silence the lips of the mean face stay shut, and they open with a loud vowel.
#[test]
fn lips_open_with_speech_and_rest_in_silence() {
    init();
    let pack = pack();
    let features = pack.stage("features", Device::Cpu).unwrap();
    let speech = pack.stage("speech2landmarks", Device::Cpu).unwrap();
    let identity = speech.input(1, pack.mean_face().as_flattened()).unwrap();
    let emotion = speech.zero_input(2).unwrap();
    let clock = &pack.manifest().clock;
    let aperture = |audio: &dyn Fn(usize) -> Vec<f32>| {
        let mut state = speech.zero_input(3).unwrap();
        let mut apertures = Vec::new();
        for frame in 0..25usize {
            let pcm = features.input(0, &audio(frame)).unwrap();
            let row = features.run(&[pcm]).unwrap().remove(0).reshape(speech.input_shape(0));
            let inputs = [row, identity.shallow_clone(), emotion.shallow_clone(), state];
            let mut out = speech.run(&inputs).unwrap().into_iter();
            let face = out.next().unwrap().to_kind(Kind::Float);
            state = out.next().unwrap();
            let y = |i: i64| face.double_value(&[0, i, 1]);
            apertures.push(y(14) - y(13));
        }
        apertures[10..].iter().copied().fold(f64::MIN, f64::max)
    };
    let window = clock.window_samples;
    let silence = aperture(&|_| vec![0.0; window]);
    let vowel = aperture(&|frame| common::speech(frame * 640, window));
    assert!(vowel > silence + 0.02, "vowel {vowel}, silence {silence}");
}
