//! One declaration per table of the file: from it come the raw struct, its reader, and its JSON Schema.

/// The keys of one table with their docs (which editors show), their kinds and their rules.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident: $kind:ty = $rule:expr, )*
        }
        instead { $( $wrong:literal => $what:literal, $remedy:literal $(, $secret:ident)?; )* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        pub(crate) struct $name {
            /// Of the table's header.
            #[allow(dead_code, reason = "not every table is judged as a whole")]
            pub(crate) place: $crate::book::Place,
            $( $(#[doc = $doc])* pub(crate) $field: $kind, )*
        }

        impl $crate::reader::Section for $name {
            fn keys() -> Vec<&'static str> {
                vec![$( stringify!($field).trim_start_matches("r#") ),*]
            }

            fn instead() -> &'static [$crate::reader::Instead] {
                const INSTEAD: &[$crate::reader::Instead] = &[$( $crate::reader::Instead {
                    key: $wrong,
                    what: $what,
                    remedy: $remedy,
                    secret: $crate::section::is_secret(&[$(stringify!($secret))?]),
                } ),*];
                INSTEAD
            }

            fn read(table: &$crate::reader::TableReader<'_>) -> Self {
                Self {
                    place: table.place.clone(),
                    $( $field: <$kind as $crate::field::Field>::read(
                        table,
                        stringify!($field).trim_start_matches("r#"),
                        $rule,
                    ), )*
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut table = $crate::section::TableSchema::new(&[$($about),*]);
                $( table.add(
                    stringify!($field).trim_start_matches("r#"),
                    &[$($doc),*],
                    <$kind as $crate::field::Field>::property($rule, generator),
                ); )*
                table.finish()
            }
        }
    };
}

pub(crate) use section;

/// Whether the entry was marked `secret`.
pub(crate) const fn is_secret(marks: &[&str]) -> bool {
    !marks.is_empty()
}

/// The JSON Schema of one table, being built.
pub(crate) struct TableSchema {
    about: String,
    properties: serde_json::Map<String, serde_json::Value>,
    required: Vec<&'static str>,
}

impl TableSchema {
    pub(crate) fn new(about: &[&str]) -> Self {
        Self { about: sentence(about), properties: serde_json::Map::new(), required: Vec::new() }
    }

    pub(crate) fn add(&mut self, key: &'static str, doc: &[&str], property: crate::field::Property) {
        let mut schema = property.schema;
        let range = schema.remove("x-range").map(|range| format!(" ({})", crate::field::plain(&range)));
        let description = sentence(doc) + &range.unwrap_or_default();
        schema.insert("description".into(), description.into());
        self.properties.insert(key.to_owned(), schema.to_value());
        if property.required {
            self.required.push(key);
        }
    }

    pub(crate) fn finish(self) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": self.about,
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// Doc lines as one paragraph.
fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
