//! How a section of the configuration is defined.

/// Defines a section as a struct, with the table of its keys and the way it is read.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $vis:vis $section:ident $path:literal {
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $type:ty [$($rule:tt)*] = $default:expr,
            )+
        }
        $(with { $(#[doc = $sub_doc:literal] $sub:ident: $sub_type:ident,)+ })?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $section {
            $($(#[doc = $doc])+ pub $name: $type,)+
            $($(#[doc = $sub_doc] pub $sub: $sub_type,)+)?
        }

        impl $section {
            pub(super) const SECTION: Section = Section {
                path: $path,
                docs: &[$($about),+],
                keys: &[$(Key::new($path, stringify!($name), &[$($doc),+]) $($rule)*,)+],
            };

            pub(super) fn read(layers: &mut Layers) -> Result<Self, Error> {
                let mut keys = Self::SECTION.keys.iter();
                Ok(Self {
                    $($name: layers.take(&mut keys, $default)?,)+
                    $($($sub: $sub_type::read(layers)?,)+)?
                })
            }
        }
    };
}

pub(super) use section;
