//! The ancestors and descendants of an artifact.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use std::{collections::HashSet, time::Duration};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Served,
    answers::ToAny,
    body::{Caller, Id, Parameters},
    error::{ErrorBody, RequestFailure},
};
use crate::{
    api::ApiError,
    artifact_registry::{Direction, LineageRequest},
    model::ArtifactId,
};

const MAX_DEPTH: u32 = 100;
const MAX_NODES: u32 = 10_000;
const MAX_EDGES: u32 = 50_000;
const FAN_OUT: u32 = 100;
const DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    /// `upstream`, which it is when left out, `downstream` or `both`.
    #[param(pattern = "^(upstream|downstream|both)$")]
    direction: Option<String>,
    /// The most edges from the artifact, 0 to 100; 10 when left out.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 100)]
    max_depth: Option<String>,
    /// The most artifacts, 1 to 10,000; 500 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    max_nodes: Option<String>,
}

/// An artifact in a lineage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineageNodeBody {
    artifact_id: String,
    artifact_type: String,
    display_name: Option<String>,
    /// `pending`, `ready`, `failed`, `archived` or `deleted`.
    lifecycle_state: String,
    /// Its distance in edges.
    depth: u32,
}

/// A child was made from a parent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineageEdgeBody {
    parent_id: String,
    child_id: String,
    /// The type of the intent that made the child.
    intent_type: String,
}

/// Artifacts and how they descend from each other.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineageBody {
    /// Nearest first; none when there is no such artifact.
    nodes: Vec<LineageNodeBody>,
    edges: Vec<LineageEdgeBody>,
    /// True if something was left out.
    truncated: bool,
}

/// The artifacts that an artifact descends from, or that descend from it.
#[utoipa::path(get, path = "/api/artifact/{artifact_id}/lineage", tag = "artifact",
    params(("artifact_id" = String, Path, description = "The artifact", pattern = "^art_[0-9a-z]{26}$"), Walk), responses(
    (status = 200, description = "The graph", body = LineageBody),
    (status = 400, description = "Faulty input", body = ErrorBody),
    (status = 404, description = "No such artifact", body = ErrorBody),
    ToAny,
))]
pub(super) async fn lineage(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ArtifactId>,
    Parameters(walk): Parameters<Walk>,
) -> Result<Json<LineageBody>, RequestFailure> {
    let direction = match walk.direction.as_deref() {
        None | Some("upstream") => Direction::Upstream,
        Some("downstream") => Direction::Downstream,
        Some("both") => Direction::Both,
        Some(_) => {
            return Err(ApiError::bad_input("direction is upstream, downstream or both").into());
        }
    };
    let request = LineageRequest {
        roots: vec![id],
        direction,
        max_depth: bounded(walk.max_depth.as_deref(), "max_depth", 10, 0, MAX_DEPTH)?,
        max_nodes: bounded(walk.max_nodes.as_deref(), "max_nodes", 500, 1, MAX_NODES)?,
        max_edges: MAX_EDGES,
        fan_out: FAN_OUT,
        deadline: DEADLINE,
        artifact_types: HashSet::new(),
        stop_at_types: HashSet::new(),
    };
    let registry = &served.services.artifacts;
    let found = registry.lineage(&principal.scope(), &request).await?;
    if found.nodes.is_empty() {
        return Err(RequestFailure::not_found("artifact"));
    }
    let nodes = found.nodes.iter().map(|node| LineageNodeBody {
        artifact_id: node.artifact.id.to_string(),
        artifact_type: node.artifact.artifact_type.clone(),
        display_name: node.artifact.display_name.clone(),
        lifecycle_state: node.artifact.state.name().to_lowercase(),
        depth: node.depth,
    });
    let edges = found.edges.iter().map(|edge| LineageEdgeBody {
        parent_id: edge.parent_id.to_string(),
        child_id: edge.child_id.to_string(),
        intent_type: edge.intent_type.clone(),
    });
    Ok(Json(LineageBody {
        nodes: nodes.collect(),
        edges: edges.collect(),
        truncated: !found.truncated_because.is_empty(),
    }))
}

fn bounded(
    text: Option<&str>,
    name: &str,
    default: u32,
    least: u32,
    most: u32,
) -> Result<u32, ApiError> {
    let number = text.map_or(Some(default), |text| text.parse().ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| ApiError::bad_input(format!("{name} is {least} to {most}")))
}
