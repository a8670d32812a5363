// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stages are for: what each is offered, and what it has to give.
//!
//! A tensor is told by its sizes with spaces between. A word of capitals stands for a size of the pack; where none is known, the
//! first tensor that has it says how many numbers it stands for. A word of small letters, alone, is whatever its stage says.

use super::manifest::RendererKind;

/// A square picture of RGB or of one channel, whose side the stage chooses.
pub const PICTURE: &str = "1 3 any any";

/// What a stage is for.
pub struct Role {
    /// Its name in manifests.
    pub name: &'static str,
    /// What it is offered. A manifest of the first format takes the first of these, [`Role::fixed`] of them.
    pub offered: &'static [Port],
    /// How many the first format takes, in order.
    pub fixed: usize,
    /// Whether it is offered what the stages that see the photo give.
    pub takes_sources: bool,
    /// What it gives.
    pub gives: &'static [Port],
    /// Whether it gives what it likes beside that.
    pub gives_sources: bool,
}

/// A tensor of a role.
pub struct Port {
    /// Its name.
    pub name: &'static str,
    /// Its sizes.
    pub sizes: &'static str,
    /// Whether the stage must take or give it.
    pub needed: bool,
}

const fn may(name: &'static str, sizes: &'static str) -> Port {
    Port { name, sizes, needed: false }
}

const fn must(name: &'static str, sizes: &'static str) -> Port {
    Port { name, sizes, needed: true }
}

const STATE: Port = may("state", "state");

const SPEECH: Role = Role {
    name: "speech2landmarks",
    offered: &[
        may("features", "1 WINDOW FEATURES"),
        may("identity", "POINTS 3"),
        may("emotion", "EMOTIONS"),
        STATE,
        may("blink", "BLINK"),
    ],
    fixed: 4,
    takes_sources: true,
    gives: &[must("landmarks", "1 BETWEEN 3"), must("coefficients", "1 COEFFICIENTS"), STATE],
    gives_sources: false,
};

/// A stage that sees the photo: once a photo.
const fn of_photo(name: &'static str) -> Role {
    const OFFERED: [Port; 3] =
        [must("photo", PICTURE), may("landmarks", "1 POINTS 3"), may("source_pose", "POSE")];
    Role { name, offered: &OFFERED, fixed: 2, takes_sources: false, gives: &[], gives_sources: true }
}

/// A network of fixed inputs and outputs.
const fn network(name: &'static str, offered: &'static [Port], gives: &'static [Port]) -> Role {
    Role { name, fixed: offered.len(), offered, takes_sources: false, gives, gives_sources: false }
}

static ROLES: [Role; 14] = [
    network("features", &[must("pcm", "SAMPLES")], &[must("features", "WINDOW FEATURES")]),
    SPEECH,
    Role {
        name: "pose",
        offered: &[
            may("features", "1 WINDOW FEATURES"),
            may("initial_pose", "POSE"),
            may("style", "style"),
            may("noise", "noise"),
            STATE,
            may("emotion", "EMOTIONS"),
        ],
        fixed: 5,
        takes_sources: true,
        gives: &[must("pose", "1 POSE"), STATE],
        gives_sources: false,
    },
    Role {
        name: "landmarks2latents",
        offered: &[
            may("posed", "1 BETWEEN 3"),
            may("features", "1 WINDOW FEATURES"),
            may("source_latents", "LATENTS DIMS"),
            may("emotion", "EMOTIONS"),
            STATE,
            may("landmarks", "1 BETWEEN 3"),
            may("coefficients", "1 COEFFICIENTS"),
            may("pose", "1 POSE"),
            may("source_pose", "POSE"),
            may("source_landmarks", "1 POINTS 3"),
            may("neutral", "1 POINTS 3"),
            may("crop_angle", "1"),
            may("face", "FACE"),
            may("lids", "2"),
        ],
        fixed: 5,
        takes_sources: true,
        gives: &[must("latents", "1 LATENTS DIMS"), STATE],
        gives_sources: false,
    },
    of_photo("appearance"),
    of_photo("source"),
    network(
        "parallax",
        &[must("photo", "1 3 256 256"), must("landmarks", "1 POINTS 3")],
        &[must("parallax", "10 64 64")],
    ),
    Role {
        name: "render",
        offered: &[must("latents", "1 LATENTS DIMS")],
        fixed: 1,
        takes_sources: true,
        gives: &[must("picture", "1 3 SIDE SIDE"), may("alpha", "1 1 SIDE SIDE")],
        gives_sources: false,
    },
    network(
        "mouth",
        &[
            must("patch", "1 3 MOUTH MOUTH"),
            must("maps", "1 MAPS MOUTH/2 MOUTH/2"),
            must("code", "1 CODE-ROWS 3"),
            must("appearance", "MOUTH-CODE"),
        ],
        &[
            must("rgb_delta", "1 3 MOUTH MOUTH"),
            must("alpha", "1 1 MOUTH MOUTH"),
            must("flow", "1 2 MOUTH/2 MOUTH/2"),
        ],
    ),
    network(
        "eyes",
        &[must("patch", "2 3 EYE EYE"), must("maps", "2 MAPS EYE/2 EYE/2"), must("appearance", "EYE-CODES")],
        &[must("rgb_delta", "2 3 EYE EYE"), must("alpha", "2 1 EYE EYE"), must("flow", "2 2 EYE/2 EYE/2")],
    ),
    network(
        "detector",
        &[must("image", "1 3 128 128")],
        &[must("out0", "1 896 16"), must("out1", "1 896 1")],
    ),
    network("mesh", &[must("image", "1 3 192 192")], &[must("out0", "POINTS 3"), must("out1", "1")]),
    network("matte", &[must("image", "1 3 256 256")], &[must("out0", "1 256 256 1")]),
    Role {
        name: "face2latents",
        offered: &[
            must("frame", PICTURE),
            STATE,
            may("drive", "DRIVE"),
            may("posed", "1 POINTS 3"),
            may("landmarks", "1 POINTS 3"),
            may("pose", "1 POSE"),
            may("source_pose", "POSE"),
            may("source_landmarks", "1 POINTS 3"),
            may("neutral", "1 POINTS 3"),
            may("crop_angle", "1"),
        ],
        fixed: 2,
        takes_sources: true,
        gives: &[must("latents", "1 LATENTS DIMS"), STATE],
        gives_sources: false,
    },
];

/// What the stages that see the photo must give between them, by renderer; the first format gives it in this order.
pub fn sources(renderer: RendererKind) -> &'static [Port] {
    const ALL: [Port; 3] = [
        must("source_latents", "LATENTS DIMS"),
        must("mouth_code", "MOUTH-CODE"),
        must("eye_code", "EYE-CODES"),
    ];
    match renderer {
        RendererKind::Warp => &ALL,
        RendererKind::Neural => &ALL[..1],
    }
}

/// Roles that a pack cannot be without.
pub fn needed(renderer: RendererKind) -> impl Iterator<Item = &'static str> {
    let drawn: &[&str] = match renderer {
        RendererKind::Warp => &["mouth", "eyes"],
        RendererKind::Neural => &["render"],
    };
    let all =
        ["features", "speech2landmarks", "landmarks2latents", "appearance", "detector", "mesh", "matte"];
    all.into_iter().chain(drawn.iter().copied())
}

/// Whether a renderer has use for a role.
pub fn is_of(role: &str, renderer: RendererKind) -> bool {
    match role {
        "mouth" | "eyes" | "parallax" => renderer == RendererKind::Warp,
        "render" => renderer == RendererKind::Neural,
        _ => true,
    }
}

/// All roles.
pub fn all() -> &'static [Role] {
    &ROLES
}

/// The role of that name.
pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

/// Whether there is such a role.
pub fn is_known(name: &str) -> bool {
    find(name).is_some()
}

/// All names, for messages.
pub fn names() -> String {
    ROLES.each_ref().map(|role| role.name).join(", ")
}
