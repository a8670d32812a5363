// SPDX-License-Identifier: MIT OR Apache-2.0
//! Of each element: how it is set up and what it is fed with, for the rules that all of them keep (`checklist.rs`, `controls.rs`).

use super::*;

/// An element under test: how to set it up and what to feed it.
#[derive(Clone, Copy)]
pub struct Fixture {
    pub factory: &'static str,
    pub klass: &'static str,
    pub input_caps: fn() -> gst::Caps,
    /// Caps of the right media type that the element must refuse.
    pub wrong_caps: &'static str,
    /// Input of frame `n`, timestamped.
    pub input: fn(u64) -> gst::Buffer,
    /// Sets what the element needs before it starts.
    pub prepare: fn(&gst::Element),
    /// Frames of latency.
    pub delay: u64,
    /// What comes in.
    pub input_kind: Input,
}

/// What an element takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Sound, in buffers of any size.
    Sound,
    /// Pictures.
    Pictures,
    /// Tensors of the stage before.
    Tensors,
}

/// Gives the fixtures to a macro, each with the name of its element: one row an element.
macro_rules! fixtures {
    ($each:ident) => {
        $each! {
            audiofeatures: AUDIO_FEATURES,
            speech2landmarks: SPEECH2LANDMARKS,
            landmarks2latents: LANDMARKS2LATENTS,
            facesynth: FACESYNTH,
            facelandmarks: FACELANDMARKS,
            landmarkoverlay: LANDMARKOVERLAY,
            talkinghead: TALKINGHEAD,
            facetracker: FACETRACKER,
            mouthdub: MOUTHDUB,
            facedub: FACEDUB,
            face2latents: FACE2LATENTS,
        }
    };
}

macro_rules! list {
    ($($name:ident: $fixture:ident),+ $(,)?) => {
        pub const FIXTURES: &[Fixture] = &[$($fixture),+];
    };
}

fixtures!(list);

pub const AUDIO_FEATURES: Fixture = Fixture {
    factory: "audiofeatures",
    klass: "Filter/Analyzer/Audio",
    input_caps: || audio_caps(16000, 1),
    wrong_caps: "audio/x-raw,format=F32LE,layout=interleaved,rate=44100,channels=2",
    input: |n| audio(n, FRAME_SAMPLES),
    prepare: |_| (),
    delay: 4,
    input_kind: Input::Sound,
};

pub const SPEECH2LANDMARKS: Fixture = Fixture {
    factory: "speech2landmarks",
    klass: "Inference/Converter/Audio/Metadata",
    input_caps: || tensor_caps(TensorKind::AudioFeatures),
    wrong_caps: "other/tensors,format=static,num_tensors=1,types=(string)float32,tensor-id=(string)portrait/latents,dimensions=(string)3:206,framerate=25/1,pack=(string)lite/0",
    input: |n| at(n, buffer::from_f32(&features(n))),
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Tensors,
};

pub const LANDMARKS2LATENTS: Fixture = Fixture {
    factory: "landmarks2latents",
    klass: "Inference/Filter/Metadata",
    input_caps: || tensor_caps(TensorKind::Landmarks),
    wrong_caps: "other/tensors,format=static,num_tensors=1,types=(string)float32,tensor-id=(string)portrait/latents,dimensions=(string)3:68,framerate=25/1,pack=(string)other/1",
    input: |n| {
        let mut landmarks: Vec<f32> = portrait().neutral.as_flattened().to_vec();
        // The lower lip's middle moves.
        landmarks[14 * 3 + 1] += 0.05 * (n as f32 * 0.7).sin().abs();
        let mut buffer = buffer::from_f32(&landmarks);
        let features = features(n);
        let shape = pack().manifest().feature_shape().unwrap();
        meta::attach(buffer.get_mut().unwrap(), FrameMeta::AudioFeatures, &shape, &features);
        meta::attach(buffer.get_mut().unwrap(), FrameMeta::Emotion, &[8], &[0.0; 8]);
        at(n, buffer)
    },
    prepare: |element| element.set_context(&context::make(&portrait().into())),
    delay: 0,
    input_kind: Input::Tensors,
};

pub const FACESYNTH: Fixture = Fixture {
    factory: "facesynth",
    klass: "Inference/Converter/Video",
    input_caps: || tensor_caps(TensorKind::Latents),
    wrong_caps: "other/tensors,format=static,num_tensors=1,types=(string)float32,tensor-id=(string)portrait/landmarks,dimensions=(string)3:21,framerate=25/1,pack=(string)other/1",
    input: |n| {
        let portrait = portrait();
        let mut latents = portrait.source_latents.clone();
        let points = pack().manifest().latents.control_points.len();
        // The head sways by a hundredth of the picture.
        for x in latents.iter_mut().step_by(3).take(points) {
            *x += 0.01 * (n as f32 * 0.3).sin();
        }
        let mut buffer = buffer::from_f32(&latents);
        let b = buffer.get_mut().unwrap();
        meta::attach(b, FrameMeta::Landmarks, &[478, 3], portrait.neutral.as_flattened());
        meta::attach(b, FrameMeta::Pose, &[7], &portrait.pose.to_array());
        meta::attach(b, FrameMeta::Emotion, &[8], &[0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        at(n, buffer)
    },
    prepare: |element| {
        portrait();
        element.set_property("portrait", portrait_path());
    },
    delay: 0,
    input_kind: Input::Tensors,
};

pub const FACELANDMARKS: Fixture = Fixture {
    factory: "facelandmarks",
    klass: "Filter/Analyzer/Video",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1",
    input: video,
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Pictures,
};

pub const LANDMARKOVERLAY: Fixture = Fixture {
    factory: "landmarkoverlay",
    klass: "Filter/Effect/Video",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY16_LE,width=320,height=240,framerate=25/1",
    input: |n| {
        let mut buffer = video(n);
        // A face that wanders over the picture.
        let landmarks: Vec<f32> =
            portrait().landmarks.iter().flat_map(|&[x, y, z]| [x + 0.01 * n as f32, y, z]).collect();
        meta::attach(buffer.get_mut().unwrap(), FrameMeta::PictureLandmarks, &[478, 3], &landmarks);
        buffer
    },
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Pictures,
};

pub const TALKINGHEAD: Fixture = Fixture {
    factory: "talkinghead",
    klass: "Generic/Bin/Inference/Converter/Audio/Video",
    input_caps: || audio_caps(16000, 1),
    wrong_caps: "audio/mpeg,mpegversion=1,layer=3,rate=16000,channels=1",
    input: |n| audio(n, FRAME_SAMPLES),
    prepare: FACESYNTH.prepare,
    delay: AUDIO_FEATURES.delay,
    input_kind: Input::Sound,
};

pub const FACETRACKER: Fixture = Fixture {
    factory: "facetracker",
    klass: "Filter/Analyzer/Video",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1",
    input: video,
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Pictures,
};

pub const MOUTHDUB: Fixture = Fixture {
    factory: "mouthdub",
    klass: "Filter/Effect/Video",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1",
    input: LANDMARKOVERLAY.input,
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Pictures,
};

/// It has a thread of its own: what waits for nothing else is in `facedub.rs`.
pub const FACEDUB: Fixture = Fixture {
    factory: "facedub",
    klass: "Generic/Bin/Inference/Filter/Effect/Audio/Video",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1",
    input: video,
    prepare: |_| (),
    delay: 0,
    input_kind: Input::Pictures,
};

pub const FACE2LATENTS: Fixture = Fixture {
    factory: "face2latents",
    klass: "Inference/Converter/Video/Metadata",
    input_caps: || VIDEO_CAPS.parse().unwrap(),
    wrong_caps: "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1",
    input: video,
    prepare: |element| {
        element.set_property("model-pack", neural_pack());
        element.set_context(&context::make(&neural_portrait().into()));
    },
    delay: 0,
    input_kind: Input::Pictures,
};

impl Fixture {
    /// Name of the pad that takes the input.
    pub fn sink(&self) -> &'static str {
        if self.factory == "facedub" { "video" } else { "sink" }
    }

    /// Whether it opens a model pack.
    pub fn has_model(&self) -> bool {
        self.element().find_property("model-pack").is_some()
    }

    pub fn element(&self) -> gst::Element {
        init();
        let element = gst::ElementFactory::make(self.factory).build().unwrap();
        (self.prepare)(&element);
        element
    }

    /// A harness around the element, with its input caps set. Its source is not live: what comes out does not depend on a
    /// clock.
    pub fn harness(&self) -> gst_check::Harness {
        self.harness_of(&self.element())
    }

    /// The same around an element that was set up further.
    pub fn harness_of(&self, element: &gst::Element) -> gst_check::Harness {
        let mut harness = gst_check::Harness::with_element(element, Some(self.sink()), Some("src"));
        harness.set_live(false);
        if self.input_kind == Input::Sound {
            // It asked its source on the way to PLAYING, where the harness puts it before it can be told.
            element.set_state(gst::State::Ready).unwrap();
            element.set_state(gst::State::Playing).unwrap();
        }
        harness.set_src_caps((self.input_caps)());
        harness
    }

    /// Payloads of everything that comes out for `frames` frames and the end of the stream.
    pub fn run(&self, harness: &mut gst_check::Harness, frames: u64) -> Vec<Vec<u8>> {
        for n in 0..frames {
            harness.push((self.input)(n)).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        drain(harness)
    }
}
