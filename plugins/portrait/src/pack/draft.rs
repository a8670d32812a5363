// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pack.toml` as it stands in the file: what it leaves out is the pack's that it extends.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::EMOTIONS;
use super::look_ahead::{Variant, Variants};
use super::manifest::{
    Between, Capabilities, Clock, Compute, CropRecipe, FileEntry, HeadPoses, Identity, Landmarks, Latents,
    Manifest, Picture, RendererKind, StageEntry,
};
use super::promise::is_word;
use super::roles;

/// The formats that this plugin reads: in the first, stages have the names of their roles, and what goes in and comes out
/// has a fixed order.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/// The file, key by key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Draft {
    emotions: Option<Vec<String>>,
    pack: Identity,
    clock: Option<Clock>,
    landmarks: Option<Landmarks>,
    between: Option<Between>,
    latents: Option<Latents>,
    pose: Option<HeadPoses>,
    picture: Option<Picture>,
    crop: Option<CropRecipe>,
    look_ahead: Option<Variants>,
    /// An older name of `[look-ahead.low]`.
    low_latency: Option<Variant>,
    capabilities: Option<Capabilities>,
    compute: Option<Compute>,
    #[serde(default)]
    stages: BTreeMap<String, StageEntry>,
    golden: Option<FileEntry>,
    card: Option<FileEntry>,
}

impl Draft {
    /// The first thing in it that its format does not have.
    pub fn check_format(&self) -> Result<(), String> {
        if !(FIRST..=SECOND).contains(&self.pack.format) {
            return Err("[pack] format is neither 1 nor 2: a newer plugin may read it".to_owned());
        }
        if self.look_ahead.is_some() && self.low_latency.is_some() {
            return Err("[low-latency] is the older name of [look-ahead] low: leave it out".to_owned());
        }
        if self.pack.format == SECOND {
            // Before anything is looked for by that name.
            return match self.extends() {
                Some(name) if !is_word(name) || name.starts_with('.') => {
                    Err("[pack] extends is not the name of a pack: letters, digits, . _ + -".to_owned())
                }
                _ => Ok(()),
            };
        }
        let news = [
            ("[pack] extends", self.pack.extends.is_some()),
            ("[between]", self.between.is_some()),
            ("[crop]", self.crop.is_some()),
            ("[capabilities]", self.capabilities.is_some()),
            ("[compute]", self.compute.is_some()),
            ("a renderer other than warp-paint", self.renderer() == Some(RendererKind::Neural)),
            ("[latents] dims", self.latents.as_ref().is_some_and(|latents| latents.dims != 3)),
            ("[stages.…] role or precision", self.stages.values().any(is_of_second)),
        ];
        match news.into_iter().find(|(_, there)| *there) {
            Some((key, _)) => Err(format!("{key} needs [pack] format = 2")),
            None => Ok(()),
        }
    }

    /// Name of the pack that it extends.
    pub fn extends(&self) -> Option<&str> {
        self.pack.extends.as_deref()
    }

    fn renderer(&self) -> Option<RendererKind> {
        self.picture.as_ref().map(|picture| picture.renderer)
    }

    /// The whole manifest, over that of the pack that it extends.
    ///
    /// # Errors
    /// The first table that neither has, or that two stages have one role.
    pub fn over(self, base: Option<&Manifest>) -> Result<Manifest, String> {
        fn need<T>(own: Option<T>, base: Option<T>, table: &str) -> Result<T, String> {
            own.or(base).ok_or_else(|| format!("it has no {table}"))
        }
        let inherits_landmarks = self.landmarks.is_none();
        // Networks for less look-ahead go with the features and the stage beside which they were trained.
        let own_speech = ["features", "speech2landmarks"].iter().any(|role| self.brings(role));
        let own = self.look_aheads();
        let look_ahead = own.clone().or_else(|| Some(base.filter(|_| !own_speech)?.look_ahead.clone()));
        let picture = need(self.picture.clone(), base.map(|b| b.picture.clone()), "[picture]")?;
        let stages = if self.pack.format == FIRST {
            self.stages
        } else {
            merge(self.stages, &own.unwrap_or_default(), base, picture.renderer, own_speech)?
        };
        Ok(Manifest {
            emotions: self
                .emotions
                .or_else(|| base.map(|b| b.emotions.clone()))
                .unwrap_or_else(|| EMOTIONS.map(str::to_owned).to_vec()),
            clock: need(self.clock, base.map(|b| b.clock.clone()), "[clock]")?,
            landmarks: need(self.landmarks, base.map(|b| b.landmarks.clone()), "[landmarks]")?,
            between: self.between.or_else(|| base.map(|b| b.between)).unwrap_or_default(),
            latents: need(self.latents, base.map(|b| b.latents.clone()), "[latents]")?,
            pose: self.pose.or_else(|| base.map(|b| b.pose.clone())).unwrap_or_default(),
            crop: self.crop.or_else(|| base.and_then(|b| b.crop.clone())),
            capabilities: self
                .capabilities
                .or_else(|| base.map(|b| b.capabilities.clone()))
                .unwrap_or_default(),
            compute: self.compute.or_else(|| base.map(|b| b.compute)).unwrap_or_default(),
            pack: self.pack,
            golden: self.golden,
            card: self.card,
            picture,
            look_ahead: look_ahead.unwrap_or_default(),
            inherits_landmarks,
            stages,
        })
    }

    /// Its own ways that wait for less audio.
    fn look_aheads(&self) -> Option<Variants> {
        match (&self.look_ahead, &self.low_latency) {
            (Some(own), _) => Some(own.clone()),
            (None, Some(low)) => Some(Variants { low: Some(low.clone()), ..Variants::default() }),
            (None, None) => None,
        }
    }

    fn brings(&self, role: &str) -> bool {
        self.stages.iter().any(|(name, stage)| stage.role.as_deref().unwrap_or(name) == role)
    }
}

fn is_of_second(stage: &StageEntry) -> bool {
    stage.role.is_some() || stage.precision.is_some()
}

/// Stages by their roles: the pack's own, then the other's that it needs. `less` are the own ones for less look-ahead.
fn merge(
    own: BTreeMap<String, StageEntry>,
    less: &Variants,
    base: Option<&Manifest>,
    renderer: RendererKind,
    own_speech: bool,
) -> Result<BTreeMap<String, StageEntry>, String> {
    let mut stages: BTreeMap<String, StageEntry> = BTreeMap::new();
    for (name, stage) in own {
        let role = stage.role.clone().unwrap_or_else(|| name.clone());
        if less.name(&name) {
            stages.insert(name, stage);
            continue;
        }
        if !roles::is_known(&role) {
            return Err(format!(
                "[stages.{name}] has the role {role:?}, which is none of {}",
                roles::names()
            ));
        }
        if stages.insert(role.clone(), stage).is_some() {
            return Err(format!("[stages.{name}] is a second stage of the role {role}"));
        }
    }
    for (key, stage) in base.iter().flat_map(|base| &base.stages) {
        let less = base.is_some_and(|base| base.look_ahead.name(key));
        let useless = less && own_speech || !roles::is_of(key, renderer);
        if !useless && !stages.contains_key(key) {
            stages.insert(key.clone(), StageEntry { inherited: true, ..stage.clone() });
        }
    }
    Ok(stages)
}
