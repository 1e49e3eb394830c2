//! References of images: `[registry[:port]/]repository[:tag][@digest]`, and the Cassandra release that a tag names.
//!
//! A tag is a convention. A release is read out of a tag only where the convention is Cassandra's:
//! - [`ImageRef::release`]: a supported release in the tag of any repository, for the check of a downgrade, which can be
//!   waived, and which the versions that the nodes report overrule;
//! - [`ImageRef::unsupported_release`]: an unsupported release (2.0 to 2.2, 3.0, 3.11) at the start of the tag of a
//!   repository whose name ends in `cassandra`. Numbers that are no such release, such as `3.4.0`, are a version of
//!   the image itself.

/// A release of Cassandra: major and minor version.
pub type Release = (u32, u32);

/// Releases before 4.0 that images exist of.
const UNSUPPORTED: [Release; 5] = [(2, 0), (2, 1), (2, 2), (3, 0), (3, 11)];

/// The parts of a reference that the operator uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// Registry and path, without tag and digest.
    pub repository: &'a str,
    /// The tag; empty if there is none.
    pub tag: &'a str,
}

impl<'a> ImageRef<'a> {
    /// The parts of a reference. A colon before the last `/` belongs to the port of the registry.
    pub fn parse(image: &'a str) -> Self {
        let (name, _digest) = image.split_once('@').unwrap_or((image, ""));
        match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => Self { repository, tag },
            _ => Self {
                repository: name,
                tag: "",
            },
        }
    }

    /// The supported release that the tag names: the last two numbers with a dot between them that are one. `5.0.9`,
    /// `5.0-jdk17`, `v5.0` and `ubuntu20.04-5.0` all name the release 5.0.
    pub fn release(&self) -> Option<Release> {
        supported(self.tag)
    }

    /// The unsupported release that the tag names.
    pub fn unsupported_release(&self) -> Option<Release> {
        let name = self.repository.rsplit('/').next().unwrap_or_default();
        let begins = release(self.tag.strip_prefix('v').unwrap_or(self.tag));
        begins.filter(|release| name == "cassandra" && UNSUPPORTED.contains(release))
    }
}

/// The last supported release in a text.
pub fn supported(text: &str) -> Option<Release> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let mut releases = words.filter_map(release);
    releases.rfind(|release| matches!(release, (4, 0 | 1) | (5 | 6, 0..=2)))
}

/// The release at the start of a version, such as `3.11.19`.
pub fn release(version: &str) -> Option<Release> {
    let numbers = version
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let mut numbers = numbers.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_repository_a_tag_and_a_digest() {
        for (image, repository, tag) in [
            ("cassandra", "cassandra", ""),
            ("cassandra:5.0", "cassandra", "5.0"),
            ("cassandra@sha256:3f5a", "cassandra", ""),
            ("cassandra:5.0@sha256:3f5a4.1", "cassandra", "5.0"),
            ("registry:5000/cassandra", "registry:5000/cassandra", ""),
            (
                "registry:5000/own/cassandra:1",
                "registry:5000/own/cassandra",
                "1",
            ),
            (
                "registry:5000/cassandra:4.1@sha256:3.0",
                "registry:5000/cassandra",
                "4.1",
            ),
            ("[::1]:5000/cassandra:4.1", "[::1]:5000/cassandra", "4.1"),
        ] {
            assert_eq!(ImageRef::parse(image), ImageRef { repository, tag });
        }
    }

    #[test]
    fn the_release_of_an_image_is_in_its_tag() {
        let of = |image| ImageRef::parse(image).release();
        assert_eq!(of("cassandra:5.0.9"), Some((5, 0)));
        assert_eq!(of("registry:5000/cassandra:4.1-jdk11"), Some((4, 1)));
        assert_eq!(of("cassandra:v4.1"), Some((4, 1)));
        assert_eq!(of("cassandra:jdk11-prod-4.1.2"), Some((4, 1)));
        assert_eq!(of("cassandra:2025.11-5.0"), Some((5, 0)));
        assert_eq!(of("cassandra:ubuntu20.04-4.1"), Some((4, 1)));
        assert_eq!(of("cassandra:alpine3.18-5.0.9"), Some((5, 0)));
        assert_eq!(of("cassandra:5.0.9-jdk11.0.22"), Some((5, 0)));
        assert_eq!(of("cassandra:5.0@sha256:3f5a4.1"), Some((5, 0)));
        assert_eq!(of("registry.4.1:5000/cassandra"), None);
        assert_eq!(of("cassandra@sha256:3f5a"), None);
        assert_eq!(of("cassandra:latest"), None);
        assert_eq!(of("cassandra:5"), None);
        assert_eq!(of("own/cassandra:3.4.0"), None);
    }

    #[test]
    fn an_unsupported_release_is_named_as_cassandra_names_it() {
        let of = |image| ImageRef::parse(image).unsupported_release();
        assert_eq!(of("cassandra:3.11"), Some((3, 11)));
        assert_eq!(of("cassandra:3.11.19@sha256:5f0a"), Some((3, 11)));
        assert_eq!(
            of("registry:5000/library/cassandra:3.0.30-jdk8"),
            Some((3, 0))
        );
        assert_eq!(of("docker.io/library/cassandra:v2.2"), Some((2, 2)));
        assert_eq!(of("registry:5000/own/cassandra:3.4.0"), None);
        assert_eq!(of("registry:5000/own/ring:3.11"), None);
        assert_eq!(of("registry.3.11:5000/cassandra"), None);
        assert_eq!(of("cassandra:5.0-3.11"), None);
        assert_eq!(of("cassandra:jdk3.11-5.0"), None);
        assert_eq!(of("cassandra:3.110"), None);
        assert_eq!(of("cassandra@sha256:3.11"), None);
    }
}
