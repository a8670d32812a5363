// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who speaks: what the network and the edits of its output take from the photos.

use std::sync::Arc;

use tch::Tensor;

use super::manner::{Manner, Said};
use super::second::SecondLook;
use crate::face::habit::Habit;
use crate::face::landmark::neutral::close_mouth;
use crate::face::landmark::region::Regions;
use crate::pack::{Pack, PackError, Stage};
use crate::photo::{Photos, Portrait};

/// How far brows rise behind glasses, whose frame would bend with them.
const BEHIND_GLASSES: f32 = 0.35;

/// One person.
pub struct Person {
    /// How far their brows may rise, 0 to 1.
    pub brows: f32,
    /// Normalised landmarks as the photo shows them.
    pub photo: Vec<[f32; 3]>,
    /// The same at rest, lips closed.
    pub neutral: Vec<[f32; 3]>,
    /// Those at rest for the network, `[N, 3]`, where it takes them.
    identity: Option<Tensor>,
    /// Those of the second photo, as it shows them.
    open: Option<Tensor>,
    /// What the pack's networks see in the photo.
    portrait: Option<Arc<Portrait>>,
    /// What the second photo changes.
    pub second: Option<SecondLook>,
    /// The network that this was found with.
    compared: Option<Arc<Stage>>,
}

impl Person {
    /// The person of the photos, for that network; without photos the pack's mean face.
    ///
    /// # Errors
    /// Where the network fails.
    pub fn new(pack: &Pack, stage: &Arc<Stage>, photos: Option<&Photos>) -> Result<Self, PackError> {
        let photo = photos.map_or(pack.mean_face(), |p| &p.portrait.neutral);
        let mut neutral = photo.to_vec();
        close_mouth(&mut neutral);
        let open = photos.and_then(|p| p.open.as_ref());
        let at = stage.place("identity");
        let identity = |face: &[[f32; 3]]| at.map(|at| stage.input(at, face.as_flattened())).transpose();
        let mut person = Self {
            brows: if photos.is_some_and(|p| p.portrait.glasses) { BEHIND_GLASSES } else { 1.0 },
            photo: photo.to_vec(),
            identity: identity(&neutral)?,
            open: open.map_or(Ok(None), |open| identity(&open.neutral))?,
            portrait: photos.map(|p| Arc::clone(&p.portrait)),
            second: None,
            compared: None,
            neutral,
        };
        person.compare(pack, stage)?;
        Ok(person)
    }

    /// What the second photo changes, by what that network says of either in silence.
    ///
    /// # Errors
    /// Where the network fails.
    pub fn compare(&mut self, pack: &Pack, stage: &Arc<Stage>) -> Result<(), PackError> {
        if self.open.is_none() || !pack.manifest().says_landmarks() {
            return Ok(());
        }
        if self.compared.as_ref().is_some_and(|last| Arc::ptr_eq(last, stage)) {
            return Ok(());
        }
        let regions = Regions::new(pack.mean_face());
        self.second = Some(SecondLook::new(
            &regions,
            &self.silent(stage, &self.identity)?,
            &self.silent(stage, &self.open)?,
        ));
        self.compared = Some(Arc::clone(stage));
        Ok(())
    }

    /// How the network's motion is to become that of the person, whose habit it is; none where the network takes no face.
    ///
    /// # Errors
    /// Where the network fails.
    pub fn manner(
        &self,
        pack: &Pack,
        stage: &Arc<Stage>,
        habit: &Habit,
    ) -> Result<Option<Manner>, PackError> {
        let Some(at) = stage.place("identity").filter(|_| pack.manifest().says_landmarks()) else {
            return Ok(None);
        };
        let mut silent = self.silent(stage, &self.identity)?;
        if let Some(second) = &self.second {
            second.apply(&mut silent);
        }
        let face = pack.mean_face();
        let average = self.silent(stage, &Some(stage.input(at, face.as_flattened())?))?;
        Ok(Some(Manner::new(habit, &silent, &Said { face, silent: &average })))
    }

    /// What the network says of a face in silence.
    fn silent(&self, stage: &Arc<Stage>, identity: &Option<Tensor>) -> Result<Vec<[f32; 3]>, PackError> {
        let outputs = stage.run_with(|name, index| match name {
            "identity" => self.input(stage, identity, name, index),
            "features" | "emotion" | "state" => stage.zero_input(index),
            _ => self.input(stage, &None, name, index),
        })?;
        let landmarks = outputs.get("landmarks")?;
        let mut face = vec![[0.0; 3]; landmarks.numel() / 3];
        stage.read(landmarks, face.as_flattened_mut()).map(|()| face)
    }

    /// What the network takes of the person, by name: the face at rest, or what the pack's networks see in the photo.
    ///
    /// # Errors
    /// Where there is no photo in which to see it.
    pub fn give(&self, stage: &Stage, name: &str, index: usize) -> Result<Tensor, PackError> {
        self.input(stage, &self.identity, name, index)
    }

    fn input(
        &self,
        stage: &Stage,
        identity: &Option<Tensor>,
        name: &str,
        index: usize,
    ) -> Result<Tensor, PackError> {
        match (identity, &self.portrait) {
            (Some(identity), _) if name == "identity" => Ok(identity.shallow_clone()),
            (_, Some(portrait)) => portrait.sources.input(stage, name, index),
            _ => Err(stage.fail(format!(
                "takes {name:?} of a photo, and none is announced: put a facesynth with its property `portrait` set behind"
            ))),
        }
    }
}
