//! Two hundred users with cookie jars, whose addresses change with every request: each has one server, whatever happens
//! around them that is no fault of that server.

use std::collections::BTreeMap;

use lb_user::lab::{
    Family, backend_name,
    config::{Backend, Config, Service},
    daemon::write_configuration,
};
use limpet_tests::http::{
    Answer, Scene, User,
    scene::{PORT, shop},
};

const USERS: u32 = 200;
/// Requests of each user in a round; there are ten rounds.
const REQUESTS: u32 = 5;

/// The users, and where each belongs.
struct Crowd {
    users: Vec<User>,
    homes: Vec<String>,
}

impl Crowd {
    /// Each logs in to the application, wherever that may be.
    async fn new(scene: &Scene) -> Self {
        let mut users = User::many(USERS);
        let answers = scene.all_ask(&mut users, "/login").await;
        for answer in &answers {
            assert_eq!(answer.set_cookies().len(), 2, "the application's and ours: {answer:?}");
        }
        Self { users, homes: answers.iter().map(Answer::server).collect() }
    }

    /// A round: all are answered by the server that knows their session, and nobody gets another cookie.
    async fn stay(&mut self, scene: &Scene, when: &str) {
        for request in 0..REQUESTS {
            let path = format!("/shop?page={request}");
            let answers = scene.all_ask(&mut self.users, &path).await;
            for ((answer, home), user) in answers.iter().zip(&self.homes).zip(&self.users) {
                let at = || format!("{when}: {user:?}: {answer:?}\n{}", scene.bed.daemon.log());
                assert_eq!(answer.server(), *home, "{}", at());
                assert_eq!(answer.report()["session"], "known", "{}", at());
                assert_eq!(answer.report()["target"], path.as_str());
                assert!(answer.set_cookies().is_empty(), "{}", at());
            }
        }
    }

    fn shares(&self) -> BTreeMap<&str, u32> {
        let mut shares = BTreeMap::new();
        for home in &self.homes {
            *shares.entry(&**home).or_default() += 1;
        }
        shares
    }
}

/// Three backends, of which the last has as many users as the others together; a fourth, if it is there, as many again.
fn services(weights: &[u32]) -> Vec<Service> {
    let backend = |(index, &weight)| Backend { weight, ..Backend::new(Family::V4, index, PORT) };
    vec![Service { backend: (0..).zip(weights).map(backend).collect(), ..shop(0) }]
}

#[tokio::test]
async fn two_hundred_users_have_one_server_each() {
    let mut scene = Scene::new(4, services(&[100, 100, 200])).await;
    let mut crowd = Crowd::new(&scene).await;
    let shares = crowd.shares();
    // Nearly four standard deviations.
    for (index, (expected, off)) in [(50, 24), (50, 24), (100, 28)].into_iter().enumerate() {
        let name = backend_name(index as u8);
        assert!(shares[&*name].abs_diff(expected) <= off, "{name} should have {expected}: {shares:?}");
    }
    crowd.stay(&scene, "in peace").await;

    scene.order("drain", 0);
    crowd.stay(&scene, "in a drain").await;
    let strangers = scene.homes(&mut User::many(40)).await;
    assert!(!strangers.contains(&backend_name(0)), "{strangers:?}");
    scene.order("enable", 0);
    crowd.stay(&scene, "after a drain").await;

    scene.order_with("weight", 1, &["7"]);
    crowd.stay(&scene, "with another weight by order").await;

    scene.reload(services(&[100, 100, 200, 400]));
    scene.until_all_up().await;
    crowd.stay(&scene, "with another backend").await;
    let strangers = scene.homes(&mut User::many(40)).await;
    assert!(strangers.contains(&backend_name(3)), "{strangers:?}");

    scene.reload(services(&[400, 1, 1, 1]));
    crowd.stay(&scene, "with other weights").await;

    scene.bed.daemon.stop().unwrap();
    scene.bed.daemon.start_again().unwrap();
    scene.until_all_up().await;
    crowd.stay(&scene, "after a restart").await;

    scene.bed.daemon.kill().unwrap();
    let fewer = Config::new(services(&[100, 100, 200])).to_string();
    write_configuration(&scene.bed.lab, &fewer).unwrap();
    scene.bed.daemon.start_again().unwrap();
    scene.until_all_up().await;
    crowd.stay(&scene, "after a crash").await;

    scene.kill(1).await;
    let (bereaved, others) = crowd.split(&backend_name(1));
    crowd = others;
    crowd.stay(&scene, "while others' server is down").await;
    let mut bereaved = bereaved;
    let moved = scene.homes(&mut bereaved.users).await;
    assert!(!moved.contains(&backend_name(1)), "{moved:?}");
    scene.revive(1).await;
    crowd.stay(&scene, "when it is back").await;
    assert_eq!(scene.homes(&mut bereaved.users).await, moved, "who has moved stays there");
}

impl Crowd {
    /// Those of one server, and the others.
    fn split(self, server: &str) -> (Self, Self) {
        let mut parts = [(); 2].map(|()| Self { users: Vec::new(), homes: Vec::new() });
        for (user, home) in self.users.into_iter().zip(self.homes) {
            let part = &mut parts[usize::from(home != server)];
            part.users.push(user);
            part.homes.push(home);
        }
        let [own, others] = parts;
        (own, others)
    }
}
