//! Keys and settings that are missing, wrong, or open to others: the server does not start, and says
//! what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::world::{SAMPLES, World, words};

/// Spoils a fresh vault; the start must fail and say all of `expected`.
fn refused(expected: &[&str], spoil: impl FnOnce(&World)) {
    let world = World::new();
    spoil(&world);
    let said = world.serve_in_vain();
    assert!(!said.contains("panicked"), "{said}");
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

fn root_key(world: &World) -> std::path::PathBuf {
    world.root.join("keys/root.key")
}

#[test]
fn a_wrong_root_key_starts_nothing_and_harms_nothing() {
    let world = World::new();
    let right = fs::read(root_key(&world)).expect("it is there");
    fs::write(root_key(&world), [7; 32]).expect("written");
    let said = world.serve_in_vain();
    assert!(said.contains("is not the root key that") && said.contains("nothing was changed"), "{said}");
    // Data of earlier versions has no check value: the rows themselves tell.
    let check = world.data().join("root.check");
    fs::remove_file(&check).expect("noted at the first start");
    let said = world.serve_in_vain();
    assert!(said.contains("is this the root key that the data was made with?"), "{said}");
    assert!(!check.exists(), "a wrong key is not noted");
    fs::write(root_key(&world), &right).expect("written");
    let server = world.serve();
    assert_eq!(server.fetch_all(&world, "everything").iter().flatten().count(), SAMPLES);
    assert!(check.exists(), "the right one is");
}

#[test]
fn a_flipped_byte_in_the_root_key_is_a_wrong_key() {
    refused(&["is not the root key"], |world| {
        let mut key = fs::read(root_key(world)).expect("it is there");
        key[20] ^= 1;
        fs::write(root_key(world), key).expect("written");
    });
}

#[test]
fn a_missing_root_key_is_named() {
    refused(&["keys/root.key", "No such file", "veilpost doctor"], |world| {
        fs::remove_file(root_key(world)).expect("it is there");
    });
}

#[test]
fn a_short_root_key_is_refused() {
    refused(&["keys/root.key"], |world| fs::write(root_key(world), [7; 31]).expect("written"));
}

#[test]
fn a_root_key_that_others_can_read_is_refused_with_the_command_that_helps() {
    refused(&["chmod 600", "root.key"], |world| {
        fs::set_permissions(root_key(world), fs::Permissions::from_mode(0o644)).expect("ours");
    });
}

#[test]
fn a_data_folder_that_others_can_enter_is_refused_with_the_command_that_helps() {
    refused(&["chmod o="], |world| {
        fs::set_permissions(world.data(), fs::Permissions::from_mode(0o755)).expect("ours");
    });
}

#[test]
fn a_broken_certificate_is_named() {
    refused(&["tls-certificate.pem"], |world| fs::write(world.certificate(), "nonsense").expect("written"));
}

#[test]
fn a_missing_certificate_is_named() {
    refused(&["tls-certificate.pem", "No such file"], |world| {
        fs::remove_file(world.certificate()).expect("it is there");
    });
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    refused(&["tls-key.pem"], |world| {
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(world.root.join("keys/tls-key.pem"), other.signing_key.serialize_pem()).expect("written");
    });
}

#[test]
fn a_broken_setting_is_named() {
    refused(
        &["veilpost.toml, line 11", "[limits] connections: write a whole number of at least 1"],
        |world| world.configure("[limits]\nconnections = -1\n"),
    );
    refused(&["no_such_key"], |world| world.configure("[limits]\nno_such_key = 1\n"));
}

#[test]
fn a_foreign_folder_is_not_taken_for_data() {
    refused(&["not a veilpost data folder"], |world| {
        fs::write(world.data().join("format"), "something else\n").expect("written");
    });
    refused(&["start a newer veilpost"], |world| {
        fs::write(world.data().join("format"), "veilpost data folder, format 99\n").expect("written");
    });
}

#[test]
fn without_the_recovery_file_the_recovery_code_says_so_and_the_password_works() {
    let world = World::new();
    let recovery = files_named(&world, "recovery");
    assert!(!recovery.is_empty(), "the vault has a recovery file");
    let server = world.serve();
    let create = ["view", "create", super::clients::ADDRESS, "another", "--policy", "excerpt", "--recovery"];
    for damage in [Damage::Flip, Damage::Remove] {
        for file in &recovery {
            damage.do_to(file);
        }
        let output = world.run(&create);
        assert_eq!(output.status.code(), Some(1));
        let said = words(&output);
        assert!(said.contains("recovery"), "{said}");
    }
    world.unlock();
    assert_eq!(world.export().len(), SAMPLES);
    drop(server);
}

#[derive(Clone, Copy)]
enum Damage {
    Flip,
    Remove,
}

impl Damage {
    fn do_to(self, file: &std::path::Path) {
        match self {
            Self::Remove => fs::remove_file(file).expect("it is there"),
            Self::Flip => {
                let mut content = fs::read(file).expect("it is there");
                let middle = content.len() / 2;
                content[middle] ^= 1;
                fs::write(file, content).expect("written");
            }
        }
    }
}

fn files_named(world: &World, part: &str) -> Vec<std::path::PathBuf> {
    let all = super::damage::files(&world.data());
    all.into_iter().filter(|path| path.to_str().is_some_and(|path| path.contains(part))).collect()
}
