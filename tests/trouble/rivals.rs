//! Two servers on one data folder, and what a crashed one leaves in the way.

use std::fs;

use super::world::World;

#[test]
fn the_second_server_on_a_data_folder_says_so_and_leaves() {
    let world = World::new();
    let mut server = world.serve();
    let said = {
        // Looks for its own process, not for the socket that the first one serves.
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_veilpost"));
        let output = command.args(["serve", "--config"]).arg(world.config()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let who = format!("another veilpost (process {}) uses this data folder", server.process.id());
    assert!(said.contains(&who), "{said}");
    assert_eq!(server.fetch_all(&world, "everything").len(), super::world::SAMPLES);
    server.is_well();
}

#[test]
fn the_socket_of_a_crashed_server_is_replaced() {
    let world = World::new();
    world.serve().kill();
    let socket = world.data().join("admin.sock");
    assert!(fs::symlink_metadata(&socket).is_ok(), "a killed server removes nothing");
    let mut server = world.serve();
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_taken_port_is_named() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let config = fs::read_to_string(world.config()).expect("it is there");
    let config =
        config.replacen("smtp.listen = [\"127.0.0.1:0\"]", &format!("smtp.listen = [\"{address}\"]"), 1);
    fs::write(world.config(), config).expect("it can be written");
    let said = world.serve_in_vain();
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}
