//! Who speaks: what the network and the edits of its output take from the photos.

use std::sync::Arc;

use tch::Tensor;

use super::second::SecondLook;
use crate::face::landmark::neutral::close_mouth;
use crate::face::landmark::region::Regions;
use crate::pack::{Pack, PackError, Stage};
use crate::photo::Photos;

/// One person.
pub struct Person {
    /// Normalised landmarks as the photo shows them.
    pub photo: Vec<[f32; 3]>,
    /// The same at rest, lips closed.
    pub neutral: Vec<[f32; 3]>,
    /// Those at rest for the network, `[N, 3]`.
    pub identity: Tensor,
    /// Those of the second photo, as it shows them.
    open: Option<Tensor>,
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
        let mut person = Self {
            photo: photo.to_vec(),
            identity: stage.input(1, neutral.as_flattened())?,
            open: open.map(|open| stage.input(1, open.neutral.as_flattened())).transpose()?,
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
        let Some(open) = &self.open else { return Ok(()) };
        if self.compared.as_ref().is_some_and(|last| Arc::ptr_eq(last, stage)) {
            return Ok(());
        }
        let zero = |input| stage.zero_input(input);
        let told = |identity: &Tensor| {
            let inputs = [zero(0)?, identity.shallow_clone(), zero(2)?, zero(3)?];
            let [landmarks, _] = stage.run_for(&inputs)?;
            let mut face = vec![[0.0; 3]; landmarks.numel() / 3];
            stage.read(&landmarks, face.as_flattened_mut()).map(|()| face)
        };
        let regions = Regions::new(pack.mean_face());
        self.second = Some(SecondLook::new(&regions, &told(&self.identity)?, &told(open)?));
        self.compared = Some(Arc::clone(stage));
        Ok(())
    }
}
