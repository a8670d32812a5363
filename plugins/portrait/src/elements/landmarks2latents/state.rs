// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lives from start to stop: the networks, and what moves the head and the face from frame to frame.

use std::sync::Arc;

use tch::Tensor;

use super::breath::Breath;
use super::contact::EyeContact;
use super::drive::{Blend, Driver, Driving};
use super::head::{HeadPoser, Within};
use super::lids::{Lids, closure};
use super::motion::PoseGenerator;
use super::notice::Notice;
use super::settings::{Controls, Drive, PoseMode, Settings};
use super::sight::Sight;
use super::track::DrivingFace;
use super::transfer::{MAX_TURN_DEG, Manner, Transfer};
use crate::elements::facelandmarks::measure::Tracked;
use crate::face::edit::CLOSURE;
use crate::face::emotion::EMOTION_LEN;
use crate::face::landmark::pose::{Pose, turned_to};
use crate::pack::{Between, FACE_LEN, Pack, PackError, RendererKind, Stage};
use crate::photo::Portrait;
use crate::photo::handover::Handover;
use crate::stream::element::StageCaps;
use crate::stream::presentation::Presentation;
use crate::stream::tensor::{FrameMeta, TensorKind, buffer, meta};

/// What the landmarks of one frame come with.
pub struct FrameInput {
    features: Option<Vec<f32>>,
    emotion: [f32; EMOTION_LEN],
    pose: Option<Pose>,
    /// The tracker has no face: landmarks and pose are those of the last one, or of nobody.
    lost: bool,
    /// The controls of the face as applied.
    face: [f32; FACE_LEN],
    /// Level of the sound, dB.
    loudness: Option<f32>,
    /// Another face begins than the one before.
    is_other: bool,
    /// There is a pad for a video, which may show a face yet.
    awaited: bool,
}

impl FrameInput {
    /// Of a frame of a video without a voice.
    pub fn of_face(tracked: &Tracked) -> Self {
        Self {
            features: None,
            emotion: [0.0; EMOTION_LEN],
            pose: Some(tracked.pose),
            lost: !tracked.found,
            face: UNMOVED,
            loudness: None,
            is_other: tracked.is_other,
            awaited: false,
        }
    }

    /// Of a frame of landmarks.
    pub fn read(inbuf: &gst::BufferRef, awaited: bool) -> Self {
        let numbers = |kind| meta::read(inbuf, kind).map(|m| m.data);
        Self {
            features: numbers(FrameMeta::AudioFeatures),
            emotion: numbers(FrameMeta::Emotion).and_then(|e| e.try_into().ok()).unwrap_or_default(),
            pose: numbers(FrameMeta::Pose).and_then(|p| p.try_into().ok()).map(Pose::from_array),
            face: numbers(FrameMeta::Face).and_then(|f| f.try_into().ok()).unwrap_or(UNMOVED),
            loudness: numbers(FrameMeta::Loudness).and_then(|l| l.first().copied()),
            lost: inbuf.flags().contains(gst::BufferFlags::GAP),
            is_other: inbuf.flags().contains(gst::BufferFlags::MARKER),
            awaited,
        }
    }
}

/// What a network takes that can close lids which are no landmarks.
const LIDS: &str = "lids";

/// Controls of a face that nobody steers.
const UNMOVED: [f32; FACE_LEN] = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];

/// Which stage makes the latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that takes landmarks, or what else flows between the stages.
    Landmarks,
    /// The one that sees the frames of a video; landmarks of its face come along.
    Frames,
}

impl Role {
    /// Its name in manifests.
    fn name(self) -> &'static str {
        match self {
            Self::Landmarks => "landmarks2latents",
            Self::Frames => "face2latents",
        }
    }
}

/// Where the pose of a frame came from: the head may jump where this changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    mode: PoseMode,
    style: u32,
    relative: bool,
    smooth: bool,
    driver: Option<Driver>,
    turn: (u64, u64),
}

/// See the module.
pub struct State {
    stage: Arc<Stage>,
    role: Role,
    between: Between,
    /// Of [`Role::Frames`]: what the stage sees.
    pub sight: Option<Sight>,
    /// Farthest turns of a transferred pose, degrees.
    limits: [f32; 3],
    pub caps: StageCaps,
    pub presentation: Presentation,
    portrait: Arc<Portrait>,
    /// The photo that was set while playing and that frames are made for, where no element before this one says so.
    pub handover: Option<Arc<Handover>>,
    pub pack: Arc<Pack>,
    seed: u32,
    styles: u32,
    /// Of a pack that generates poses.
    generator: Option<PoseGenerator>,
    main: Transfer,
    pad: Transfer,
    flushes: u64,
    /// How often another face took the place of the one before on the main pad.
    faces: u64,
    head: HeadPoser,
    blend: Blend,
    /// Of a pack whose renderer moves a body; picture units.
    breath: Option<Breath>,
    lift: f32,
    /// Of a pack that follows a gaze.
    contact: Option<EyeContact>,
    /// Of a pack whose face model is another one.
    lids: Lids,
    source: Option<Source>,
    /// Features of a frame that comes without a voice.
    silence: Arc<[f32]>,
    hidden: Option<Tensor>,
    told: Vec<Notice>,
    /// Seconds between two frames.
    pub frame: f32,
    /// Normalised landmarks of the frame, or the pack's coefficients: as they came before a step, as applied after it.
    pub landmarks: Vec<f32>,
    driving: Vec<[f32; 3]>,
    posed: Vec<[f32; 3]>,
    pub latents: Vec<f32>,
}

impl State {
    pub fn new(settings: &Settings, portrait: Arc<Portrait>, role: Role) -> Result<Self, PackError> {
        let (pack, device) = settings.model.open()?;
        let _threads = settings.model.limit_threads();
        let stage = pack.stage(role.name(), device)?;
        let manifest = pack.manifest();
        let (points, latents) = (manifest.landmarks.count, manifest.latents.shape().to_vec());
        let between = if role == Role::Frames { Between::Landmarks } else { manifest.between };
        let limits = match manifest.picture.renderer {
            RendererKind::Warp => [MAX_TURN_DEG; 3],
            RendererKind::Neural => manifest.pose.limits,
        };
        let generates = role == Role::Landmarks && manifest.stages.contains_key("pose");
        let generator = generates.then(|| PoseGenerator::new(&pack, device, &portrait.pose, settings.seed));
        Ok(Self {
            generator: generator.transpose()?,
            main: Transfer::default(),
            pad: Transfer::default(),
            flushes: 0,
            faces: 0,
            head: HeadPoser::new(portrait.pose, &manifest.pose),
            blend: Blend::new(pack.mean_face()),
            breath: (generates && manifest.picture.renderer == RendererKind::Warp)
                .then(|| Breath::new(settings.seed)),
            lift: 0.0,
            contact: (role == Role::Landmarks && manifest.follows("gaze")).then(EyeContact::default),
            lids: Lids::default(),
            source: None,
            hidden: stage.first_state()?,
            landmarks: vec![0.0; between.shape().iter().product()],
            latents: vec![0.0; latents.iter().product()],
            caps: StageCaps {
                input: (TensorKind::Landmarks, between.shape()),
                output: (TensorKind::Latents, latents),
                pack: pack.id(),
            },
            presentation: Presentation::default(),
            silence: vec![0.0; manifest.feature_shape().map_or(0, |shape| shape.iter().product())].into(),
            seed: settings.seed,
            styles: u32::try_from(manifest.pose.styles.len()).unwrap_or(u32::MAX),
            told: Vec::new(),
            frame: 0.0,
            driving: vec![[0.0; 3]; points],
            posed: vec![[0.0; 3]; points],
            sight: (role == Role::Frames).then(|| Sight::new(&stage, manifest.crop.as_ref())),
            role,
            between,
            limits,
            portrait,
            handover: None,
            stage,
            pack,
        })
    }

    /// Goes on with another photo: motion, and what of a video drives it, as they are. Its frames are marked where this
    /// element leads.
    pub fn go_on_with(&mut self, portrait: Arc<Portrait>, leads: Option<Arc<Handover>>) {
        if let Some(generator) = &mut self.generator {
            generator.go_on_around(&portrait.pose);
        }
        self.head.go_on_around(portrait.pose);
        self.portrait = portrait;
        self.handover = leads;
    }

    /// Back to the first frame.
    pub fn reset(&mut self) -> Result<(), PackError> {
        if let Some(generator) = &mut self.generator {
            generator.reset(self.seed)?;
        }
        self.main = Transfer::default();
        self.pad = Transfer::default();
        self.head.reset();
        self.blend.reset();
        self.breath = self.breath.as_ref().map(|_| Breath::new(self.seed));
        self.contact = self.contact.as_ref().map(|_| EyeContact::default());
        self.lids = Lids::default();
        self.source = None;
        self.sight.iter_mut().for_each(Sight::forget);
        self.hidden = self.stage.first_state()?;
        Ok(())
    }

    /// One frame: pose, pose the landmarks, run the network. Leaves landmarks and latents as applied. The notices are
    /// those that are due for the first time.
    pub fn step(
        &mut self,
        input: &FrameInput,
        driving: Option<&DrivingFace>,
        controls: &Controls,
    ) -> Result<(Pose, Vec<Notice>), PackError> {
        let silence = Arc::clone(&self.silence);
        let features = input.features.as_deref().unwrap_or(&silence);
        if let Some(driving) = driving
            && std::mem::replace(&mut self.flushes, driving.turn.1) != driving.turn.1
        {
            self.pad = Transfer::default();
        }
        if input.is_other {
            self.main = Transfer::default();
            self.faces += 1;
            // What the stage remembers of a face is not the other one's.
            if self.role == Role::Frames {
                self.hidden = self.stage.first_state()?;
            }
        }
        let mut notices = Vec::new();
        let (base, source, within) = self.base_pose(input, driving, controls, features, &mut notices)?;
        let lids = if self.has_landmarks() {
            self.move_face(input, driving, controls);
            [input.face[CLOSURE]; 2]
        } else {
            self.close_lids(input, driving, controls, &mut notices)
        };
        let switched = self.source.replace(source).is_some_and(|last| last != source);
        let moving = matches!(source.mode, PoseMode::Generated | PoseMode::Transferred);
        let (pose, kept) = self.head.step(base, moving, switched, controls, self.frame);
        if [within, kept].contains(&Within::Clamped) {
            notices.push(Notice::Clamped);
        }
        if let Some(breath) = &mut self.breath {
            let amount = if source.mode == PoseMode::Generated { controls.breath } else { 0.0 };
            self.lift = breath.step(input.loudness, amount, self.frame) * self.portrait.pose.scale;
        }
        notices.retain(|notice| !self.told.contains(notice));
        self.told.extend(&notices);

        if self.has_landmarks() {
            let (points, _) = self.landmarks.as_chunks_mut::<3>();
            if let Some(contact) = &mut self.contact {
                let rest = self.portrait.pose;
                let turn = [pose.yaw - rest.yaw, pose.pitch - rest.pitch];
                // Eyes that a video drives look where that one's do.
                let [_, driven, _, _] = self.blend.shares();
                let [yaw, pitch, ..] = input.face;
                contact.apply(points, controls.eye_contact * (1.0 - driven), turn, [yaw, pitch], self.frame);
            }
            pose.apply(points, &mut self.posed);
        }
        let (stage, portrait) = (&self.stage, &self.portrait);
        let emotion = self.pack.manifest().own_emotions(&input.emotion);
        // Before the first face there is nothing that drives, and nothing to remember.
        let begun = self.role == Role::Landmarks || self.main.has_started();
        let outputs = stage.run_with(|name, index| match name {
            "frame" => stage.input(index, self.sight.as_ref().map_or(&[], Sight::pixels)),
            "drive" => stage.input(index, &self.blend.shares()),
            "posed" => stage.input(index, self.posed.as_flattened()),
            "landmarks" | "coefficients" => stage.input(index, &self.landmarks),
            "pose" => stage.input(index, &pose.to_array()),
            "source_pose" => stage.input(index, &portrait.pose.to_array()),
            "source_landmarks" => stage.input(index, portrait.landmarks.as_flattened()),
            "neutral" => stage.input(index, portrait.neutral.as_flattened()),
            "crop_angle" => stage.input(index, &[portrait.angle.to_degrees()]),
            "features" => stage.input(index, features),
            "emotion" => stage.input(index, &emotion[..self.pack.manifest().emotions.len()]),
            "face" => stage.input(index, &input.face),
            LIDS => stage.input(index, &lids),
            "state" => match &self.hidden {
                Some(hidden) => Ok(hidden.shallow_clone()),
                None => stage.zero_input(index),
            },
            name => portrait.sources.input(stage, name, index),
        })?;
        stage.read(outputs.get("latents")?, &mut self.latents)?;
        if begun {
            self.hidden = outputs.find("state").map(Tensor::shallow_clone);
        }
        Ok((pose, notices))
    }

    /// Whether landmarks flow, and not the coefficients of a face model.
    pub fn has_landmarks(&self) -> bool {
        self.between == Between::Landmarks
    }

    /// Writes the frame: latents; landmarks, where there are any, pose and breath as applied; whose photo it is made for.
    pub fn write(&self, pose: Pose, outbuf: &mut gst::BufferRef) -> Result<(), buffer::SizeError> {
        buffer::write_f32(outbuf, &self.latents)?;
        if self.has_landmarks() {
            let landmarks = &*self.landmarks;
            meta::attach(outbuf, FrameMeta::Landmarks, &[landmarks.len() / 3, 3], landmarks);
        }
        let pose = pose.to_array();
        meta::attach(outbuf, FrameMeta::Pose, &[pose.len()], &pose);
        if self.breath.is_some() {
            meta::attach(outbuf, FrameMeta::Breath, &[1], &[self.lift]);
        }
        self.handover.iter().for_each(|handover| handover.mark(outbuf));
        Ok(())
    }

    /// The pose that the mode gives, before gain and offsets.
    fn base_pose(
        &mut self,
        input: &FrameInput,
        driving: Option<&DrivingFace>,
        controls: &Controls,
        features: &[f32],
        notices: &mut Vec<Notice>,
    ) -> Result<(Pose, Source, Within), PackError> {
        let rest = self.portrait.pose;
        // The pad is there for the pose: its face comes before one on the main pad.
        let driver = match (driving, input.pose) {
            (Some(_), _) => Some(Driver::Pad),
            (None, Some(_)) => Some(Driver::Main),
            (None, None) => None,
        };
        let drives = driver.is_some_and(|d| controls.drive.resolved(d).contains(Drive::POSE));
        let generates = self.generator.is_some();
        let mode = match controls.mode {
            PoseMode::Auto if drives => PoseMode::Transferred,
            // A face without a voice has nothing to generate a pose from.
            PoseMode::Auto if driver == Some(Driver::Main) && input.features.is_none() => PoseMode::Still,
            PoseMode::Auto if !generates => PoseMode::Still,
            PoseMode::Generated if !generates => {
                notices.push(Notice::NoGenerator);
                PoseMode::Still
            }
            PoseMode::Auto => PoseMode::Generated,
            mode => mode,
        };
        let mut source = Source {
            mode,
            style: 0,
            relative: controls.relative,
            smooth: controls.smoothing > 0,
            driver: None,
            turn: (0, 0),
        };
        let manner = Manner {
            relative: controls.relative,
            smoothing: controls.smoothing as f32 / 1000.0,
            dt: self.frame,
            limits: self.limits,
        };
        let (base, within) = match mode {
            PoseMode::Auto | PoseMode::Generated => {
                source.style = controls.style.min(self.styles);
                if source.style != controls.style {
                    notices.push(Notice::Style);
                }
                let emotion = self.pack.manifest().own_emotions(&input.emotion);
                let emotion = &emotion[..self.pack.manifest().emotions.len()];
                let sources = &self.portrait.sources;
                let step =
                    |generator: &mut PoseGenerator| generator.step(features, emotion, source.style, sources);
                (self.generator.as_mut().map(step).transpose()?.unwrap_or(rest), Within::Range)
            }
            PoseMode::Still => (rest, Within::Range),
            PoseMode::Free => (turned_to(rest, [0.0; 3], rest.scale), Within::Range),
            PoseMode::Transferred => {
                source.driver = driver;
                match (driving, input.pose) {
                    (Some(driving), _) => {
                        source.turn = driving.turn;
                        if driving.tracked.lost && !self.pad.has_started() {
                            (rest, Within::Range)
                        } else {
                            self.pad.pose(&driving.tracked.landmarks, driving.tracked.pose, &rest, manner)
                        }
                    }
                    (None, Some(_)) if input.lost && !self.main.has_started() => (rest, Within::Range),
                    (None, Some(pose)) => {
                        source.turn = (0, self.faces);
                        self.main.pose(self.landmarks.as_chunks::<3>().0, pose, &rest, manner)
                    }
                    (None, None) => {
                        notices.extend((!input.awaited).then_some(Notice::Undriven));
                        (rest, Within::Range)
                    }
                }
            }
        };
        Ok((base, source, within))
    }

    /// Puts the driven regions onto the face of the frame.
    fn move_face(&mut self, input: &FrameInput, driving: Option<&DrivingFace>, controls: &Controls) {
        let (points, _) = self.landmarks.as_chunks_mut::<3>();
        let neutral = &self.portrait.neutral;
        let driving = match (input.pose, driving) {
            (Some(pose), _) => {
                self.driving.copy_from_slice(points);
                // What is not driven is the photo's.
                points.copy_from_slice(neutral);
                let seen = (!input.lost || self.main.has_started())
                    .then(|| (self.driving.as_slice(), self.main.first(&self.driving, pose).0.as_slice()));
                Some(Driving { driver: Driver::Main, seen })
            }
            (None, Some(DrivingFace { tracked, .. })) if !tracked.lost || self.pad.has_started() => {
                let first = self.pad.first(&tracked.landmarks, tracked.pose).0.as_slice();
                Some(Driving { driver: Driver::Pad, seen: Some((&tracked.landmarks, first)) })
            }
            (None, _) => None,
        };
        self.blend.apply(points, neutral, driving, controls, self.frame);
    }

    /// What a video does with a face that is no landmarks: the closure of the lids, the voice's and that of the frame.
    fn close_lids(
        &mut self,
        input: &FrameInput,
        driving: Option<&DrivingFace>,
        controls: &Controls,
        notices: &mut Vec<Notice>,
    ) -> [f32; 2] {
        let drive = driving.map_or(Drive::empty(), |_| controls.drive.resolved(Driver::Pad));
        let can = self.stage.place(LIDS).is_some();
        let followed = if can { Drive::EYES } else { Drive::empty() };
        if drive.intersects(Drive::ALL - Drive::POSE - followed) {
            notices.push(Notice::Regions);
        }
        let seen = driving.filter(|face| {
            drive.contains(Drive::EYES) && can && (!face.tracked.lost || self.pad.has_started())
        });
        let seen = seen.map(|face| {
            let first = &self.pad.first(&face.tracked.landmarks, face.tracked.pose).0;
            let open = if controls.drive_relative { first } else { &self.portrait.neutral };
            closure(&face.tracked.landmarks, open)
        });
        self.lids.step(input.face[CLOSURE], seen, self.frame)
    }
}
