use serde_json::json;
use wharf_control::Project;
use wharf_test::Service;

use crate::{project, stand_in};

#[tokio::test]
async fn routes_and_statements_are_counted_and_what_was_not_reached_is_known() {
    let projects: [Project; 1] = [project("examples/guestbook")];
    // One that no other test counts on.
    let stand = stand_in("coverage");
    let service = Service::start(&stand, &projects).await.unwrap();
    let artifact = projects[0].artifact().unwrap();
    let before = stand.coverage().of(&artifact).unwrap();
    assert_eq!((before.routes_reached().0, before.statements_reached().0), (0, 0));

    let draft = json!({"author": "Ada", "message": "hello"});
    service.post("/guestbook/api/entries").json(&draft).await.expect_status(201);
    service.get("/guestbook/api/entries/7").await.expect_status(404);
    let reached = stand.coverage().of(&artifact).unwrap();
    assert_eq!(reached.routes_reached(), (1, 2));
    let route = reached.routes.iter().find(|route| route.requests > 0).unwrap();
    assert_eq!(
        (route.route.as_str(), route.requests, &route.statuses[..]),
        ("/guestbook/{*rest}", 2, &[201, 404][..])
    );
    let ran: Vec<_> = reached.statements.iter().filter(|statement| statement.runs > 0).collect();
    let runs = |start: &str| ran.iter().find(|statement| statement.sql.starts_with(start)).unwrap().runs;
    assert_eq!((runs("insert into authors"), runs("insert into entries")), (1, 1));
    // Found after it was stored, and looked for in vain.
    assert_eq!(ran.iter().find(|statement| statement.sql.contains("where e.id = $1")).unwrap().runs, 2);
    let missed = reached.statements.iter().find(|statement| statement.sql.starts_with("delete")).unwrap();
    assert!(missed.runs == 0 && missed.place.contains("entry.rs:"), "{missed:?}");
    assert_eq!(reached.others, []);
}
