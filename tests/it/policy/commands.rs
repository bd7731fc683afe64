//! `takeoff policy`: what it prints, and what it says of a folder.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use super::{folder, write};
use crate::support::Backend;

async fn takeoff(backend: &Backend, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    let command = command.env_clear().current_dir(backend.folder.path());
    command.args(arguments).output().await.unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_good_folder_is_counted() {
    let backend = Backend::sqlite();
    folder(
        &backend,
        &[(
            "tenants/acme/own.cedar",
            "forbid (principal, action == Action::\"submit\", resource);",
        )],
    );
    let checked = takeoff(&backend, &["policy", "check", "policies"]).await;
    assert_eq!(
        said(&checked),
        "4 policies for all tenants; 1 tenant has their own\n"
    );
    assert!(checked.status.success());
}

#[tokio::test]
async fn each_fault_is_told_with_its_file_and_line() {
    let backend = Backend::sqlite();
    let files = [
        (
            "attribute.cedar",
            "// A comment.\nforbid (principal, action, resource)\nwhen { principal.tenent == \"acme\" };",
        ),
        (
            "state.cedar",
            "forbid (principal, action == Action::\"transition\", resource)\nwhen { context.to == ArtifactState::\"REDY\" };",
        ),
        (
            "syntax.cedar",
            "permit (principal, action, resource)\n\nwhen { ;",
        ),
        (
            "template.cedar",
            "permit (principal == ?principal, action, resource);",
        ),
        (
            "tenants/acme/type.cedar",
            "forbid (principal, action == Action::\"submit\", resource)\nwhen { context.sizeBytes == \"big\" };",
        ),
        (
            "twice.cedar",
            "@id(\"scopes\") permit (principal, action, resource);",
        ),
        ("tenants/.hidden.cedar", "not looked at"),
        ("readme.txt", "not looked at"),
    ];
    folder(&backend, &files);
    let checked = takeoff(&backend, &["policy", "check", "policies"]).await;
    assert_eq!(checked.status.code(), Some(1));
    let text = said(&checked);
    let expected = [
        ("attribute.cedar:3: ", "tenent"),
        ("state.cedar:2: ", "REDY"),
        ("syntax.cedar:3: ", "unexpected token"),
        ("template.cedar: ", "templates"),
        ("tenants/acme/type.cedar:2: ", "String"),
        ("twice.cedar: ", "the policy scopes is there twice"),
    ];
    for (place, word) in expected {
        let found = text
            .lines()
            .any(|line| line.starts_with(place) && line.contains(word));
        assert!(found, "{place}{word} in:\n{text}");
    }
    let as_json = takeoff(&backend, &["policy", "check", "policies", "--json"]).await;
    assert_eq!(as_json.status.code(), Some(1));
    let told: Value = serde_json::from_str(&said(&as_json)).unwrap();
    let faults = told["faults"].as_array().unwrap();
    let fault = faults
        .iter()
        .find(|fault| fault["file"] == "state.cedar")
        .unwrap();
    assert_eq!(fault["line"], 2, "{told}");
}

#[tokio::test]
async fn a_folder_that_is_not_as_it_should_be_is_refused() {
    let backend = Backend::sqlite();
    let absent = takeoff(&backend, &["policy", "check", "nowhere"]).await;
    assert_eq!(absent.status.code(), Some(1));
    assert!(
        said(&absent).starts_with("nowhere: it cannot be read"),
        "{absent:?}"
    );
    for (file, fault) in [
        (
            "tenant/acme/own.cedar",
            "tenant: no folder is expected here",
        ),
        (
            "tenants/own.cedar",
            "tenants/own.cedar: here is a folder for each tenant",
        ),
        ("tenants/a b/own.cedar", "tenants/a b: a tenant id has"),
    ] {
        write(&backend, file, "");
        let checked = takeoff(&backend, &["policy", "check", "policies"]).await;
        assert_eq!(checked.status.code(), Some(1));
        assert!(said(&checked).contains(fault), "{fault}: {checked:?}");
        std::fs::remove_dir_all(backend.folder.path().join("policies")).unwrap();
    }
}

#[tokio::test]
async fn what_is_printed_is_what_policies_are_written_against() {
    let backend = Backend::sqlite();
    let schema = takeoff(&backend, &["policy", "schema"]).await;
    assert_eq!(said(&schema), takeoff::policy::schema());
    let default = takeoff(&backend, &["policy", "default"]).await;
    assert_eq!(said(&default), takeoff::policy::DEFAULT);
}
