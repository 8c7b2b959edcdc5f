//! One config: its type, default, what is allowed and how it may change. The functions here are the words the
//! tables are written in.

/// The wire's `config_type` of DescribeConfigs is `Kind as i8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl Kind {
    /// Kafka's name of the type, as its error texts have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// How a broker config changes while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// On one broker, never as the cluster's default.
    PerBroker,
    /// On one broker or as the cluster's default.
    ClusterWide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    Required,
    Null,
    Text(&'static str),
}

/// What is allowed beyond the type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// Bounds as Kafka prints them.
    BetweenDoubles(&'static str, &'static str),
    OneOf(&'static [&'static str]),
    OneOfIgnoringCase(&'static [&'static str]),
    /// A list's items: which (empty slice: any), and whether there may be none.
    Items(&'static [&'static str], bool),
    NonEmpty,
    GzipLevel,
    ThrottledReplicas,
    QuorumVoters,
    BootstrapServers,
    AutoOffsetReset,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub default: DefaultValue,
    pub check: Check,
    pub importance: Importance,
    pub update: UpdateMode,
    /// Kept out of DescribeConfigs unless it was set.
    pub internal: bool,
    pub doc: &'static str,
}

pub(crate) use DefaultValue::Text;
pub(crate) const REQUIRED: DefaultValue = DefaultValue::Required;
pub(crate) const NULL: DefaultValue = DefaultValue::Null;
pub(crate) const EMPTY_ALLOWED: bool = true;
pub(crate) const NOT_EMPTY: bool = false;

macro_rules! words {
    ($($word:ident $kind:ident)*) => {
        $(pub(crate) const fn $word(name: &'static str, default: DefaultValue) -> Definition {
            Definition::new(name, Kind::$kind, default)
        })*
    };
}
words!(boolean Boolean string String int Int short Short long Long double Double list List class Class password Password);

impl Definition {
    const fn new(name: &'static str, kind: Kind, default: DefaultValue) -> Definition {
        Definition {
            name,
            kind,
            default,
            check: Check::Any,
            importance: Importance::Medium,
            update: UpdateMode::ReadOnly,
            internal: false,
            doc: "",
        }
    }

    const fn check(mut self, check: Check) -> Definition {
        self.check = check;
        self
    }

    pub(crate) const fn at_least(self, least: i64) -> Definition {
        self.check(Check::AtLeast(least))
    }

    pub(crate) const fn between(self, least: i64, most: i64) -> Definition {
        self.check(Check::Between(least, most))
    }

    pub(crate) const fn between_doubles(self, least: &'static str, most: &'static str) -> Definition {
        self.check(Check::BetweenDoubles(least, most))
    }

    pub(crate) const fn one_of(self, allowed: &'static [&'static str]) -> Definition {
        self.check(Check::OneOf(allowed))
    }

    pub(crate) const fn one_of_ignoring_case(self, allowed: &'static [&'static str]) -> Definition {
        self.check(Check::OneOfIgnoringCase(allowed))
    }

    pub(crate) const fn items(self, allowed: &'static [&'static str], empty: bool) -> Definition {
        self.check(Check::Items(allowed, empty))
    }

    pub(crate) const fn non_empty(self) -> Definition {
        self.check(Check::NonEmpty)
    }

    pub(crate) const fn gzip_level(self) -> Definition {
        self.check(Check::GzipLevel)
    }

    pub(crate) const fn throttled_replicas(self) -> Definition {
        self.check(Check::ThrottledReplicas)
    }

    pub(crate) const fn quorum_voters(self) -> Definition {
        self.check(Check::QuorumVoters)
    }

    pub(crate) const fn bootstrap_servers(self) -> Definition {
        self.check(Check::BootstrapServers)
    }

    pub(crate) const fn auto_offset_reset(self) -> Definition {
        self.check(Check::AutoOffsetReset)
    }

    pub(crate) const fn high(mut self) -> Definition {
        self.importance = Importance::High;
        self
    }

    pub(crate) const fn low(mut self) -> Definition {
        self.importance = Importance::Low;
        self
    }

    pub(crate) const fn internal(mut self) -> Definition {
        self.internal = true;
        self
    }

    pub(crate) const fn per_broker(mut self) -> Definition {
        self.update = UpdateMode::PerBroker;
        self
    }

    pub(crate) const fn cluster_wide(mut self) -> Definition {
        self.update = UpdateMode::ClusterWide;
        self
    }

    pub(crate) const fn doc(mut self, doc: &'static str) -> Definition {
        self.doc = doc;
        self
    }

    pub fn default_text(&self) -> Option<&'static str> {
        match self.default {
            DefaultValue::Text(text) => Some(text),
            DefaultValue::Null | DefaultValue::Required => None,
        }
    }

    /// Passwords are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }
}
