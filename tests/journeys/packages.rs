//! What is installed: manual pages and completions of every command, and what `dist/build` packs. The program
//! that is packed here is a script in its place, so nothing is compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{program, tool};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn done(output: std::io::Result<Output>) -> String {
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The manual pages in a folder, by the names of their commands.
fn pages(folder: &Path) -> BTreeSet<String> {
    done(program(folder).args(["man", "--dir"]).arg(folder.join("man1")).output());
    let files = std::fs::read_dir(folder.join("man1")).expect("made").flatten();
    files.map(|file| file.file_name().to_string_lossy().trim_end_matches(".1").to_owned()).collect()
}

/// The commands that a help text lists, with those below them.
fn commands(folder: &Path, above: &[String]) -> Vec<Vec<String>> {
    let help = done(program(folder).args(above).arg("--help").output());
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let listed = listed.split("\n\n").next().unwrap_or_default();
    let name = |line: &str| {
        line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.split(' ').next().map(str::to_owned)
    };
    let mut found = vec![above.to_vec()];
    for name in listed.lines().filter_map(name).filter(|name| name != "help") {
        let below = [above, &[name]].concat();
        found.extend(commands(folder, &below));
    }
    found
}

#[test]
fn every_command_has_a_manual_page_that_renders() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pages = pages(folder.path());
    let commands = commands(folder.path(), &[]);
    assert!(commands.len() > 50, "{commands:?}");
    for command in &commands {
        let name = [&["veilpost".to_owned()], &command[..]].concat().join("-");
        assert!(pages.contains(&name), "no page for {name}");
    }
    let Some(man) = tool("man") else { return };
    for name in pages.iter().filter(|name| !name.ends_with("-help")) {
        let page = folder.path().join("man1").join(format!("{name}.1"));
        let mut command = Command::new(&man);
        command.env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8").args(["--warnings", "-l"]).arg(&page);
        let output = command.output().expect("man runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
        assert!(text.contains("SYNOPSIS") && text.contains("DESCRIPTION"), "{name}: {text}");
    }
    let view = std::fs::read_to_string(folder.path().join("man1/veilpost-view-create.1")).expect("there");
    assert!(view.contains("\n.nf\n"), "examples keep their lines: {view}");
}

#[test]
fn completions_are_what_their_shells_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish"] {
        let text = done(program(folder.path()).args(["completions", shell]).output());
        for word in ["credential", "new-recovery-code", "--enrol-at-sign-in"] {
            assert!(text.contains(word.trim_start_matches('-')), "{shell} knows no {word}");
        }
        let Some(shell_program) = tool(shell) else { continue };
        let file = folder.path().join(shell);
        std::fs::write(&file, text).expect("ours");
        done(Command::new(shell_program).arg("-n").arg(&file).output());
    }
}

/// Packs the program of the tests by a script in its place; gives the folder, and what sums there are.
fn packed(folder: &Path, kind: &str) -> Option<(PathBuf, String)> {
    for needed in ["python3", "git", "gzip"] {
        tool(needed)?;
    }
    let stand_in = folder.join("veilpost");
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_veilpost"));
    std::fs::write(&stand_in, text).expect("ours");
    std::fs::set_permissions(&stand_in, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let out = folder.join(kind);
    let mut build = Command::new(root().join("dist/build"));
    build.env("SOURCE_DATE_EPOCH", "1790000000").env("CARGO_NET_OFFLINE", "true");
    let sums = done(build.arg("--binary").arg(&stand_in).arg("--out").arg(&out).arg(kind).output());
    Some((out, sums))
}

/// The files that a release has to have, as they lie in the repository.
fn wanted() -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec!["docs".to_owned(), "policies".to_owned(), "dist/fail2ban".to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("there").flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true if name.ends_with(".cases") => {}
                true => waiting.push(name),
                false => found.push(name),
            }
        }
    }
    found.extend(
        ["dist/veilpost.service", "dist/veilpost.sysusers", "README.md", "SECURITY.md"].map(str::to_owned),
    );
    found
}

#[test]
fn the_tarball_has_everything_and_is_the_same_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((out, sums)) = packed(folder.path(), "tarball") else { return };
    let name = format!("veilpost-{}-x86_64-unknown-linux-musl", env!("CARGO_PKG_VERSION"));
    let listed = done(Command::new("tar").arg("-tvzf").arg(out.join(format!("{name}.tar.gz"))).output());
    let files: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split(&format!("{name}/")).nth(1)).collect();
    let mut wanted = wanted();
    wanted.extend(
        ["veilpost", "LICENSE-MIT", "LICENSE-APACHE", "LICENSES-OF-LIBRARIES", "CHANGELOG.md", "SHA256SUMS"]
            .map(str::to_owned),
    );
    wanted.extend(
        ["completions/veilpost", "completions/_veilpost", "completions/veilpost.fish"].map(str::to_owned),
    );
    wanted.extend(pages(folder.path()).iter().map(|page| format!("man/man1/{page}.1")));
    for file in &wanted {
        assert!(files.contains(file.as_str()), "{file} is not in the tarball:\n{listed}");
    }
    assert!(listed.lines().all(|line| line.contains(" 0/0 ")), "numbers of nobody here: {listed}");
    assert!(!listed.contains(".cases"), "{listed}");
    done(
        Command::new("tar")
            .arg("-xzf")
            .arg(out.join(format!("{name}.tar.gz")))
            .arg("-C")
            .arg(folder.path())
            .output(),
    );
    done(
        Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(folder.path().join(&name))
            .output(),
    );
    std::fs::remove_dir_all(&out).expect("ours");
    let (_, again) = packed(folder.path(), "tarball").expect("as before");
    assert_eq!(sums, again, "the same octets");
}

#[test]
fn the_package_has_everything_where_debian_has_it() {
    if tool("dpkg-deb").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((out, sums)) = packed(folder.path(), "deb") else { return };
    let package = out.join(format!("veilpost_{}-1_amd64.deb", env!("CARGO_PKG_VERSION")));
    let ask = |option: &str| done(Command::new("dpkg-deb").arg(option).arg(&package).output());
    let listed = ask("-c");
    let files: BTreeSet<&str> = listed.lines().filter_map(|line| line.split(" ./").nth(1)).collect();
    let place = |file: &String| match file.as_str() {
        "dist/veilpost.service" => "lib/systemd/system/veilpost.service".to_owned(),
        "dist/veilpost.sysusers" => "usr/lib/sysusers.d/veilpost.conf".to_owned(),
        "dist/fail2ban/filter.d/veilpost.conf" => "etc/fail2ban/filter.d/veilpost.conf".to_owned(),
        "dist/fail2ban/jail.d/veilpost.conf" => {
            "usr/share/doc/veilpost/examples/fail2ban-jail.conf".to_owned()
        }
        file => format!("usr/share/doc/veilpost/{file}"),
    };
    let mut wanted: Vec<String> = wanted().iter().map(place).collect();
    let doc = ["changelog.gz", "changelog.Debian.gz", "copyright", "LICENSES-OF-LIBRARIES.gz"];
    wanted.extend(doc.map(|name| format!("usr/share/doc/veilpost/{name}")));
    wanted.extend(pages(folder.path()).iter().map(|page| format!("usr/share/man/man1/{page}.1.gz")));
    wanted.extend(
        [
            "bash-completion/completions/veilpost",
            "zsh/vendor-completions/_veilpost",
            "fish/vendor_completions.d/veilpost.fish",
        ]
        .map(|name| format!("usr/share/{name}")),
    );
    wanted.push("usr/bin/veilpost".to_owned());
    for file in &wanted {
        assert!(files.contains(file.as_str()), "{file} is not in the package:\n{listed}");
    }
    assert!(listed.lines().all(|line| line.contains(" root/root ")), "{listed}");
    assert!(!listed.contains("etc/veilpost"), "a configuration is init's to make");
    // lintian's non-standard-file-perm.
    let readable = |line: &str| {
        line.starts_with("d") || line.starts_with("-rw-r--r--") || line.starts_with("-rwxr-xr-x")
    };
    assert!(listed.lines().all(readable), "{listed}");
    let about = ask("-f");
    assert!(about.contains(&format!("Version: {}-1\n", env!("CARGO_PKG_VERSION"))), "{about}");
    let tree = folder.path().join("unpacked");
    done(Command::new("dpkg-deb").arg("-R").arg(&package).arg(&tree).output());
    let unit = std::fs::read_to_string(tree.join("lib/systemd/system/veilpost.service")).expect("there");
    assert!(unit.contains("ExecStart=/usr/bin/veilpost serve") && !unit.contains("/usr/local"), "{unit}");
    std::fs::remove_dir_all(&out).expect("ours");
    let (_, again) = packed(folder.path(), "deb").expect("as before");
    assert_eq!(sums, again, "the same octets");
}

/// A script that nobody has read by a linter is not run as root on somebody's machine.
#[test]
fn scripts_are_clean() {
    let Some(shellcheck) = tool("shellcheck") else { return };
    let debian = ["postinst", "prerm", "postrm"].map(|name| format!("dist/debian/{name}"));
    let mut command = Command::new(shellcheck);
    command.current_dir(root()).args(["-e", "SC2317", ".ci/run", "dist/build"]).args(debian);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
