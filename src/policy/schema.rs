//! The schema of policies, in the human-readable form of Cedar. It is made from the tables of the vocabulary and from
//! the types of the model.

use super::{
    question::{Action, Phase},
    vocabulary::{
        Attribute, EntityType, OF_ARTIFACT, OF_CALLER, OF_DURING, OF_INTENT_TYPE, OF_MATERIALIZE,
        OF_READ, OF_SESSION, OF_SUBMIT, OF_TRANSITION, status_name,
    },
};
use crate::model::{ArtifactState, SessionStatus};

const HEAD: &str = "// The words of Takeoff's policies, which `takeoff policy schema` prints. docs/policy.md is about them.\n";

/// Returns the schema that policies are checked against.
#[must_use]
pub fn schema() -> String {
    let mut text = HEAD.to_owned();
    let states = ArtifactState::ALL.map(ArtifactState::name);
    let statuses = SessionStatus::ALL.map(status_name);
    text += &names(
        EntityType::ArtifactState,
        "The states of artifacts.",
        &states,
    );
    text += &names(
        EntityType::SessionStatus,
        "The statuses of sessions.",
        &statuses,
    );
    let about = "The parts of the way to a record of fact that content goes.";
    text += &names(EntityType::Phase, about, &Phase::ALL.map(Phase::name));
    text += "\n// A tenant, by its name.\nentity Tenant;\n";
    let about = "Whoever asks, by the names of tenant and actor: `acme/key_01...`.";
    text += &entity(EntityType::Caller, true, about, OF_CALLER);
    let about = "A session, by the name of its tenant and its id: `acme/ses_01...`.";
    text += &entity(EntityType::Session, true, about, OF_SESSION);
    let about = "A type of intents, by its name.";
    text += &entity(EntityType::IntentType, false, about, OF_INTENT_TYPE);
    text += &entity(
        EntityType::Artifact,
        true,
        "An artifact, by its id.",
        OF_ARTIFACT,
    );
    for action in Action::ALL {
        text += &of_action(action);
    }
    text
}

fn names(of: EntityType, about: &str, names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!(
        "\n// {about}\nentity {} enum [{}];\n",
        of.name(),
        quoted.join(", ")
    )
}

fn entity(of: EntityType, is_in_tenant: bool, about: &str, attributes: &[Attribute]) -> String {
    let parent = if is_in_tenant { " in [Tenant]" } else { "" };
    let name = of.name();
    let lines = lines(attributes, "  ");
    format!("\n// {about}\nentity {name}{parent} {{\n{lines}}};\n")
}

fn of_action(action: Action) -> String {
    let (about, resource, tables): (_, _, &[&[Attribute]]) = match action {
        Action::Submit => (
            "An intent is submitted, by a client or as a child of an execution.",
            EntityType::IntentType,
            &[OF_SUBMIT],
        ),
        Action::Materialize => (
            "Content becomes an artifact, or a record of fact.",
            EntityType::Artifact,
            &[OF_DURING, OF_MATERIALIZE],
        ),
        Action::Transition => (
            "An artifact changes its state.",
            EntityType::Artifact,
            &[OF_DURING, OF_TRANSITION],
        ),
        Action::ReadContent => (
            "The content of an artifact is read, or a link to it is made.",
            EntityType::Artifact,
            &[OF_DURING, OF_READ],
        ),
    };
    let context: String = tables.iter().map(|table| lines(table, "    ")).collect();
    let (name, resource) = (action.name(), resource.name());
    format!(
        "\n// {about}\naction \"{name}\" appliesTo {{\n  principal: Caller,\n  resource: {resource},\n  \
         context: {{\n{context}  }},\n}};\n"
    )
}

fn lines(attributes: &[Attribute], indent: &str) -> String {
    let line = |attribute: &Attribute| {
        let about = attribute.about.iter();
        let about: String = about
            .map(|line| [indent, "//", line, "\n"].concat())
            .collect();
        let mark = if attribute.kind.is_optional { "?" } else { "" };
        let (name, kind) = (attribute.name, attribute.kind.name);
        format!("{about}{indent}\"{name}\"{mark}: {kind},\n")
    };
    attributes.iter().map(line).collect()
}
