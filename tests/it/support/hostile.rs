//! Documents that are small to send and dear to take, made here rather than kept as text.

use std::fmt::Write;

/// Documents that cost a server that expands them seconds or more, with the word that each is
/// refused by.
pub fn hostile() -> Vec<(&'static str, String, &'static str)> {
    let mut bomb = String::from("{ runtime { ...f0 } }");
    for n in 0..30 {
        let _ = write!(
            bomb,
            " fragment f{n} on RuntimeStatus {{ ...f{m} ...f{m} ...f{m} }}",
            m = n + 1
        );
    }
    bomb.push_str(" fragment f30 on RuntimeStatus { version }");
    let mut spread = String::from("{ runtime { ...g0 } }");
    for n in 0..12 {
        let _ = write!(
            spread,
            " fragment g{n} on RuntimeStatus {{ ...g{m} ...g{m} }}",
            m = n + 1
        );
    }
    spread.push_str(" fragment g12 on RuntimeStatus { version }");
    let nested = |name: &str, times: usize| {
        format!(
            "{{ {} id {} }}",
            format!("{name} {{ ").repeat(times),
            "}".repeat(times)
        )
    };
    let aliases = numbered(200, |n| format!("a{n}: __typename "));
    let conflicts = numbered(25, |n| format!("a: node(id: \"{n}\") {{ id }} "));
    let directives = "@include(if: true) ".repeat(200);
    let cycle = "{ runtime { ...a } } fragment a on RuntimeStatus { ...b } fragment b on RuntimeStatus { ...a }";
    let wide = "runtime { version } ".repeat(100);
    let members =
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    let lists = format!(
        "{{ node(id: {}1{}) {{ id }} }}",
        "[".repeat(500),
        "]".repeat(500)
    );
    let variables = numbered(600, |n| format!("$v{n}: ID "));
    vec![
        ("a bomb of fragments", bomb, "selections"),
        ("fragments that double", spread, "selections"),
        ("a cycle of fragments", cycle.to_owned(), "itself"),
        ("deep nesting", nested("parent", 60), "levels"),
        ("nesting beyond the parser", nested("parent", 300), ""),
        ("aliases", format!("{{ {aliases} }}"), "aliases"),
        ("aliases that conflict", format!("{{ {conflicts} }}"), ""),
        (
            "directives",
            format!("{{ __typename {directives} }}"),
            "directives",
        ),
        ("fields at the root", format!("{{ {wide} }}"), "root"),
        ("nested introspection", members.to_owned(), "introspection"),
        ("lists within lists", lists, ""),
        (
            "many tokens",
            format!("{{ {} }}", "id ".repeat(2_500)),
            "token",
        ),
        (
            "a long text",
            format!("{{ id }} #{}", "x".repeat(20_000)),
            "bytes",
        ),
        (
            "many variables",
            format!("query({variables}) {{ __typename }}"),
            "",
        ),
        ("an open brace", "{".repeat(1_900), ""),
        ("a long name", format!("{{ {} }}", "x".repeat(15_000)), ""),
        (
            "a long string",
            format!("{{ node(id: \"{}\") {{ nothing }} }}", "x".repeat(15_000)),
            "",
        ),
    ]
}

/// Returns that many parts of a document, one after the other.
pub fn numbered(times: usize, part: impl Fn(usize) -> String) -> String {
    (0..times).map(part).collect()
}
