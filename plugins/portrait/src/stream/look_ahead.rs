// SPDX-License-Identifier: MIT OR Apache-2.0
//! The question by which a stage learns, before any caps, which of the pack's models it needs.

use gst::prelude::*;

use crate::pack::LookAhead;

/// Name of the query.
const QUERY: &str = "portrait-look-ahead";

/// The answer.
const FIELD: &str = "look-ahead";

/// What the elements before a pad, if there is one among them that knows, were told to wait for.
pub(crate) fn wanted(sink: &gst::Pad) -> Option<LookAhead> {
    let mut query = gst::query::Custom::new(gst::Structure::new_empty(QUERY));
    sink.peer_query(&mut query).then(|| query.structure()?.get(FIELD).ok()).flatten()
}

/// Answers the question, if a query is that one.
pub(crate) fn answer(query: &mut gst::QueryRef, wanted: impl FnOnce() -> LookAhead) -> bool {
    let gst::QueryViewMut::Custom(custom) = query.view_mut() else { return false };
    let asked = custom.structure().is_some_and(|s| s.name() == QUERY);
    if asked {
        custom.structure_mut().set(FIELD, wanted());
    }
    asked
}
