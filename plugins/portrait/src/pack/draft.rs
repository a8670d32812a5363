// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pack.toml` as it stands in the file: what it leaves out is the pack's that it extends.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::EMOTIONS;
use super::manifest::{
    Between, Capabilities, Clock, Compute, CropRecipe, FileEntry, HeadPoses, Identity, Landmarks, Latents,
    LowLatency, Manifest, Picture, RendererKind, StageEntry,
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
    low_latency: Option<LowLatency>,
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
        // A network for less look-ahead goes with the features and the stage beside which it was trained.
        let own_speech = ["features", "speech2landmarks"].iter().any(|role| self.brings(role));
        let low_latency =
            self.low_latency.clone().or_else(|| base.filter(|_| !own_speech)?.low_latency.clone());
        let picture = need(self.picture.clone(), base.map(|b| b.picture.clone()), "[picture]")?;
        let stages = if self.pack.format == FIRST {
            self.stages
        } else {
            let low = self.low_latency.as_ref().map(|low| low.speech2landmarks.clone());
            merge(self.stages, low, base, picture.renderer, own_speech)?
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
            low_latency,
            inherits_landmarks,
            stages,
        })
    }

    fn brings(&self, role: &str) -> bool {
        self.stages.iter().any(|(name, stage)| stage.role.as_deref().unwrap_or(name) == role)
    }
}

fn is_of_second(stage: &StageEntry) -> bool {
    stage.role.is_some() || stage.precision.is_some()
}

/// Stages by their roles: the pack's own, then the other's that it needs. `low` is the own stage for less look-ahead.
fn merge(
    own: BTreeMap<String, StageEntry>,
    low: Option<String>,
    base: Option<&Manifest>,
    renderer: RendererKind,
    own_speech: bool,
) -> Result<BTreeMap<String, StageEntry>, String> {
    let mut stages: BTreeMap<String, StageEntry> = BTreeMap::new();
    for (name, stage) in own {
        let role = stage.role.clone().unwrap_or_else(|| name.clone());
        if low.as_ref() == Some(&name) {
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
    let low_of_base = base.and_then(|b| b.low_latency.as_ref()).map(|low| &low.speech2landmarks);
    for (key, stage) in base.iter().flat_map(|base| &base.stages) {
        let useless = Some(key) == low_of_base && own_speech || !roles::is_of(key, renderer);
        if !useless && !stages.contains_key(key) {
            stages.insert(key.clone(), StageEntry { inherited: true, ..stage.clone() });
        }
    }
    Ok(stages)
}
