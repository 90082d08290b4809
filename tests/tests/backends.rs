//! Backends in the kernel's tables, as many as a large file brings at once.

use aya::{
    maps::{Map, MapData, MapInfo, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use lb_common::state::{Backend, BackendId, Health, Traffic};
use lb_user::{
    config,
    dataplane::{Dataplane as _, Name, NewBackend, Program},
};
use limpet_tests::packets::kernel::Kernel;

/// More than are written at once, and not a multiple of that.
const MANY: u32 = 1_000;
/// Behind them; somebody else's.
const OTHER: BackendId = BackendId(MANY + 1);

/// `TRAFFIC`: five numbers for each CPU.
fn traffic(program: &mut Program) -> PerCpuArray<MapData, [u64; 5]> {
    let maps = program.xdp().info().expect("root may ask").map_ids().expect("since Linux 4.15");
    let id = maps.expect("it has maps").into_iter().find(|&id| {
        let info = MapInfo::from_id(id).expect("it is there");
        info.name_as_str() == Some("TRAFFIC")
    });
    let map = MapData::from_id(id.expect("the program counts")).expect("root may open it");
    Map::PerCpuArray(map).try_into().expect("numbers of this size")
}

#[test]
fn many_new_backends_begin_at_zero_and_take_nobody_elses_place() {
    let model = config::parse("[limits]\nbackends = 2000\n", "a small table").expect("it is right");
    let mut kernel = Kernel::with(&model.limits, model.nat.ports);
    let mut figures = traffic(&mut kernel.program);
    let used = vec![[7; 5]; nr_cpus().map_err(|(_, error)| error).expect("every Linux says it")];
    for id in (1..=OTHER.0).map(BackendId) {
        let values = PerCpuValues::try_from(used.clone()).expect("one for each CPU");
        figures.set(id.0, values, 0).expect("it can be written");
        kernel.program.kernel.load(id).expect("it is in the table").set_sessions(7);
    }

    let new: Vec<_> = (1..=MANY)
        .map(|id| NewBackend {
            id: BackendId(id),
            name: Name::new("web", &format!("b{id}")),
            recipe: Backend { generation: 2, ifindex: id, ..Backend::default() },
            health: if id % 3 == 0 { Health::Down } else { Health::Up },
        })
        .collect();
    kernel.program.kernel.add_backends(&new).expect("there is room");

    let found = kernel.program.kernel.installed_backends().expect("it can be read");
    let wanted = new.iter().map(|new| (new.id, new.name, new.recipe, new.health));
    assert_eq!(found, wanted.collect::<Vec<_>>());
    let counted = |id| {
        let load = kernel.program.kernel.load(id).expect("it is in the table").sessions();
        (kernel.program.kernel.traffic(id).expect("it can be read"), load)
    };
    for id in (1..=MANY).map(BackendId) {
        assert_eq!(counted(id), (Traffic::default(), 0), "{id:?}");
    }
    let all = 7 * used.len() as u64;
    let untouched =
        Traffic { packets: all, bytes: all, reply_packets: all, reply_bytes: all, connections: all };
    assert_eq!(counted(OTHER), (untouched, 7));
    assert!(kernel.program.kernel.add_backends(&[NewBackend { id: BackendId(2_001), ..new[0] }]).is_err());
}
