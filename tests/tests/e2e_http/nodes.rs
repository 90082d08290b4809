//! Several nodes with services of HTTP, behind a node that spreads connections over them: they tell each other nothing, and
//! each knows everybody.

use std::{collections::BTreeSet, net::SocketAddr};

use lb_user::lab::{Family, backend_name, plan};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Answer, User,
        nodes::{BY_COOKIE, BY_HEADER, NODES, Nodes, direct, rewritten},
        socket::Socket,
        user::all_ask,
    },
};
use tokio::time::timeout;

const USERS: u32 = 30;

async fn all(site: &Nodes, users: &mut [User], at: SocketAddr, path: &str) -> Vec<Answer> {
    all_ask(users, &site.front.clients, at, path).await
}

fn servers(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(Answer::server).collect()
}

/// All three have some of them.
fn spread(servers: &[String]) {
    assert_eq!(servers.iter().collect::<BTreeSet<_>>().len(), 3, "{servers:?}");
}

/// All are where the application knows them, which is told their addresses.
async fn stay(site: &Nodes, users: &mut [User], homes: &[String], when: &str) {
    let answers = all(site, users, direct(BY_COOKIE), "/").await;
    for ((answer, home), user) in answers.iter().zip(homes).zip(users) {
        assert_eq!(answer.server(), *home, "{when}: {answer:?}");
        let report = answer.report();
        assert_eq!(report["session"], "known", "{when}");
        assert_eq!(report["headers"]["x-forwarded-for"], user.address().to_string(), "{when}");
        assert!(answer.set_cookies().is_empty(), "{when}: {answer:?}");
    }
}

async fn open(site: &Nodes, user: &mut User) -> (Socket, String) {
    Socket::open(user, &site.front.clients, direct(BY_COOKIE)).await
}

#[tokio::test]
async fn nodes_know_everybody_and_nothing_of_each_other() {
    let mut site = Nodes::new().await;
    nodes_send_strangers_to_one_server(&site).await;
    rewritten_packets_hide_who_sent_them(&site).await;

    let mut users = User::many(USERS);
    let homes = servers(&all(&site, &mut users, direct(BY_COOKIE), "/login").await);
    spread(&homes);
    users_are_at_home_by_every_node(&site, &mut users, &homes).await;
    bereaved_users_get_one_server_by_every_node(&mut site, &users, &homes).await;

    let (mut users, homes): (Vec<_>, Vec<_>) =
        users.into_iter().zip(homes).filter(|(_, home)| *home != backend_name(0)).unzip();
    users_of_a_node_go_on_by_another(&mut site, &mut users, &homes).await;
}

/// Known by a field, or by their address: a node that has never heard of them sends them where the other does.
async fn nodes_send_strangers_to_one_server(site: &Nodes) {
    let mut users = User::many(USERS);
    for (number, user) in users.iter_mut().enumerate() {
        user.fields = vec![("x-user", format!("user {number}"))];
    }
    let (mut named, mut placed) = (Vec::new(), Vec::new());
    for node in 0..NODES {
        site.only_by(node);
        named.push(servers(&all(site, &mut users, direct(BY_HEADER), "/").await));
        // Without a cookie, from where they were before.
        let again = &mut User::many(USERS);
        placed.push(servers(&all(site, again, direct(BY_COOKIE), "/").await));
    }
    for homes in [named, placed] {
        spread(&homes[0]);
        assert_eq!(homes[0], homes[1]);
    }
    site.by_all();
}

/// They come from the node in front; their cookies are as good.
async fn rewritten_packets_hide_who_sent_them(site: &Nodes) {
    let mut users = User::many(USERS);
    let homes = servers(&all(site, &mut users, rewritten(), "/").await);
    let answers = all(site, &mut users, rewritten(), "/").await;
    assert_eq!(servers(&answers), homes);
    for answer in &answers {
        let told = &answer.report()["headers"]["x-forwarded-for"];
        assert_eq!(told, &plan::balancer(Family::V4).to_string());
    }
}

async fn users_are_at_home_by_every_node(site: &Nodes, users: &mut [User], homes: &[String]) {
    let before = [0, 1].map(|node| site.answered(node));
    for turn in 0..3 {
        stay(site, users, homes, &format!("turn {turn}")).await;
    }
    for (node, before) in (0..NODES).zip(before) {
        let part = site.answered(node) - before;
        assert!(part > u64::from(USERS / 2), "node {node} takes part: {part}");
    }
    for node in 0..NODES {
        site.only_by(node);
        let before = site.answered(1 - node);
        stay(site, users, homes, &format!("by node {node} alone")).await;
        assert_eq!(site.answered(1 - node), before);
    }
    site.by_all();
}

/// What a page asks for side by side goes to one other server, whichever nodes it comes by.
async fn bereaved_users_get_one_server_by_every_node(site: &mut Nodes, users: &[User], homes: &[String]) {
    site.kill_app(0).await;
    let mut moved = Vec::new();
    for node in 0..NODES {
        site.only_by(node);
        moved.push(servers(&all(site, &mut users.to_vec(), direct(BY_COOKIE), "/").await));
    }
    assert_eq!(moved[0], moved[1]);
    for (now, home) in moved[0].iter().zip(homes) {
        assert_eq!(now != home, *home == backend_name(0), "{moved:?}, {homes:?}");
    }
}

async fn users_of_a_node_go_on_by_another(site: &mut Nodes, users: &mut [User], homes: &[String]) {
    // A drain at the node in front leaves open connections where they are.
    site.only_by(0);
    let (mut socket, server) = open(site, &mut users[0]).await;
    assert_eq!(server, homes[0]);
    site.only_by(1);
    stay(site, users, homes, "while a node drains").await;
    assert_eq!(socket.server().await.unwrap(), server);

    // A node that dies takes its connections along, and nobody's session.
    site.by_all();
    site.nodes[0].kill().unwrap();
    let end = timeout(PATIENCE, socket.next()).await;
    assert!(matches!(end, Ok(Err(_))), "{end:?}");
    site.until(0, "down").await;
    stay(site, users, homes, "with a node down").await;
    assert_eq!(open(site, &mut users[0]).await.1, server, "it comes back by the other node");
}
