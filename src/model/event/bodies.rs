//! Defines the bodies of entries: each a variant with its machine name, and its fields as the column `data` has them.

/// Defines the bodies of entries.
macro_rules! bodies {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $name:literal { $($(#[$fdoc:meta])* $field:ident : $type:ty),* $(,)? }
    )*) => {
        /// The body of an entry: what happened. Large values (parameters, results, states) are in
        /// [`Event::payload`].
        #[derive(Debug, Clone, PartialEq)]
        pub enum EventBody {
            $($(#[$doc])* $variant { $($(#[$fdoc])* $field: $type),* },)*
        }

        /// The kinds of entries, by their stable machine names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
        }

        impl EventType {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The machine name; `domain` stands for `domain.<name>`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl EventBody {
            /// The kind of entry.
            #[must_use]
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant { .. } => EventType::$variant),* }
            }

            fn to_data(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$variant { $($field),* } => {
                        #[derive(Serialize)]
                        struct Data<'a> { $($field: &'a $type,)* #[serde(skip)] _life: std::marker::PhantomData<&'a ()> }
                        serde_json::to_string(&Data { $($field,)* _life: std::marker::PhantomData })
                    })*
                }
            }

            fn from_data(kind: EventType, data: &str) -> Result<Self, serde_json::Error> {
                match kind {
                    $(EventType::$variant => {
                        #[derive(Deserialize)]
                        struct Data { $($field: $type,)* }
                        let Data { $($field),* } = serde_json::from_str(data)?;
                        Ok(Self::$variant { $($field),* })
                    })*
                }
            }
        }
    };
}
pub(super) use bodies;
