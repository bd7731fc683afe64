//! The files of the page: those that the build embedded, and where the same ones are otherwise.

/// A file in the server.
pub(super) struct File {
    pub(super) name: &'static str,
    /// Of its bytes.
    pub(super) hash: &'static str,
    pub(super) body: &'static [u8],
}

/// The files that the build embedded: the project's own files, and the packages' if npm was there.
pub(super) const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/graphiql_files.rs"));

/// A file of a package, and the same one at a CDN.
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) url: &'static str,
    /// Subresource integrity: the browser takes nothing else.
    pub(super) integrity: &'static str,
}

/// In the order in which the page loads them.
pub(super) const SOURCES: &[Source] = &[
    Source {
        name: "graphiql.css",
        url: "https://unpkg.com/graphiql@4.1.2/graphiql.min.css",
        integrity: "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
    },
    Source {
        name: "explorer.css",
        url: "https://unpkg.com/@graphiql/plugin-explorer@4.0.6/dist/style.css",
        integrity: "sha384-XffIsImDMwexX8UM/Bg3tss0MZOeQmZcnHzk0avUrw9ff0IQ2g9j7QLA6m2lz5D0",
    },
    Source {
        name: "react.js",
        url: "https://unpkg.com/react@18.3.1/umd/react.production.min.js",
        integrity: "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    },
    Source {
        name: "react-dom.js",
        url: "https://unpkg.com/react-dom@18.3.1/umd/react-dom.production.min.js",
        integrity: "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    },
    Source {
        name: "graphql-ws.js",
        url: "https://unpkg.com/graphql-ws@6.0.6/umd/graphql-ws.min.js",
        integrity: "sha384-L1uJSNgAjZOt7z6iPU+1qyztx98nQKw6uivIFC4oPZlOoimpFurLFG/Ysyo4BkAp",
    },
    Source {
        name: "graphiql.js",
        url: "https://unpkg.com/graphiql@4.1.2/graphiql.min.js",
        integrity: "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
    },
    Source {
        name: "explorer.js",
        url: "https://unpkg.com/@graphiql/plugin-explorer@4.0.6/dist/index.umd.js",
        integrity: "sha384-gXYG2RCFRuAiKUaKTbKxOVlvr0U9z0D/V/l5jdvRSH46vQ+9cpkG2d3ByiggUYvD",
    },
];
