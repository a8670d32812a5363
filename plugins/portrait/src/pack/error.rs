// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a pack cannot be used.

use std::path::PathBuf;

use super::DEFAULT_PACK;

/// Why a pack or one of its stages cannot be used; the text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No folder of that name.
    #[error(
        "model pack {name:?} was not found: looked in {looked}; set `model-pack` to the name of an installed pack or to the \
         path (with a `/`) of a folder that holds pack.toml"
    )]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A file cannot be read.
    #[error(
        "cannot read {path:?} ({source}): check that the model pack is complete and that you may read it"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `pack.toml`, or a file of numbers that it names, does not hold what it must.
    #[error(
        "{path:?} is not usable in a model pack: {reason}; use a pack made for this version of the plugin"
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The pack that this one extends cannot be had.
    #[error("model pack {path:?} extends {base:?}: {reason}")]
    Base {
        /// The pack's folder.
        path: PathBuf,
        /// What its manifest names.
        base: String,
        /// Why it cannot be had.
        reason: String,
    },
    /// Nobody vouched for this pack.
    #[error(
        "model pack {path:?} is not trusted: models are programs; if you trust its origin, add its digest {digest} to \
         the environment variable GST_PORTRAIT_TRUSTED_PACKS"
    )]
    Untrusted {
        /// The pack's folder.
        path: PathBuf,
        /// SHA-256 of its manifest.
        digest: String,
    },
    /// A file is not the one that the manifest names.
    #[error(
        "{path:?} does not match the sha256 in its pack.toml: the pack is damaged or was changed; install it again"
    )]
    Digest {
        /// The file.
        path: PathBuf,
    },
    /// A model uses an operator outside of the allow-list.
    #[error(
        "{path:?} uses the operator {operator:?}, which models of a pack may not use: export the model without it \
         (torch.jit.freeze removes much)"
    )]
    Operator {
        /// The file.
        path: PathBuf,
        /// The operator.
        operator: String,
    },
    /// A model holds something else that it may not.
    #[error(
        "{path:?} is not loaded, as {reason}: models of a pack hold plain tensors and known operators alone; export the model \
         without that (torch.jit.freeze removes much)"
    )]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The manifest has no such stage.
    #[error("model pack {pack} has no stage {stage:?}: use a pack that has it")]
    NoStage {
        /// Pack id and version.
        pack: String,
        /// The stage.
        stage: String,
    },
    /// The pack has nothing that sees the motion of a face in a video.
    #[error(
        "model pack {0} has no stage of the role face2latents (a motion extractor): use facelandmarks ! landmarks2latents in the \
         place of face2latents, or set `model-pack` to a pack that has one, as python -m models.convert.liveportrait makes it"
    )]
    NoMotion(String),
    /// The pack draws whole faces: it has nothing that moves a mouth within a frame.
    #[error(
        "model pack {0} draws whole faces (renderer neural), and dubbing needs one that warps: leave `model-pack` at {DEFAULT_PACK}"
    )]
    NoDub(String),
    /// The pack was not trained for that look-ahead.
    #[error(
        "model pack {pack} has no models for `look-ahead={wanted}`: set `look-ahead` to {had}, or use another `model-pack`"
    )]
    NoLookAhead {
        /// Pack id and version.
        pack: String,
        /// The property's value.
        wanted: String,
        /// Those that the pack has.
        had: String,
    },
    /// libtorch refused.
    #[error(
        "the model pack's stage {stage:?} failed: {reason}; use a pack made for this version of the plugin, or `device=cpu` \
         if a CUDA device fails"
    )]
    Torch {
        /// The stage.
        stage: String,
        /// libtorch's words, first line.
        reason: String,
    },
    /// There is not enough memory for it.
    #[error(
        "the model pack's stage {stage:?} failed for want of memory: {reason}; end other programs, or give this one more"
    )]
    Memory {
        /// The stage.
        stage: String,
        /// libtorch's words, first line.
        reason: String,
    },
    /// The environment asks for a precision that is none.
    #[error("GST_PORTRAIT_PRECISION is {0:?}: it may be auto, bf16 or fp32")]
    Precision(String),
    /// The `device` property names no device that is there.
    #[error("device {0:?} is not available: use auto, cpu or cuda:N with N below the number of CUDA devices")]
    Device(String),
}
