//! What services do with PostgreSQL, one shape a path: a query, twenty one after the other, twenty at once, many
//! rows, an update in a transaction.

use serde::Serialize;
use wharf_guest::{
    PgClient, Request, Response, Result,
    pg::{Pipeline, Queries, Row},
};

/// Rows in the table `world`.
const ROWS: u32 = 10_000;
/// Queries of a request that makes several.
const QUERIES: u32 = 20;

const ONE: &str = "SELECT id, randomnumber FROM world WHERE id = $1";
const MANY: &str = "SELECT id, randomnumber FROM world WHERE id <= 1000";
const UPDATE: &str = "UPDATE world SET randomnumber = $1 WHERE id = $2";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct World {
    id: i32,
    random_number: i32,
}

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let pg = PgClient::open("main")?;
    let mut ids = Ids::of(&request);
    match request.path() {
        "/typed/pg" => Ok(Response::json(&find(&pg, ids.next())?)),
        "/typed/pg/queries" => {
            let worlds: Result<Vec<World>> = (0..QUERIES).map(|_| find(&pg, ids.next())).collect();
            Ok(Response::json(&worlds?))
        }
        "/typed/pg/pipeline" => Ok(Response::json(&pipeline(&pg, &mut ids)?)),
        "/typed/pg/rows" => {
            let worlds: Result<Vec<World>> = pg.query(MANY, &[])?.map(|row| world(&row)).collect();
            Ok(Response::json(&worlds?))
        }
        "/typed/pg/update" => Ok(Response::json(&update(&pg, &mut ids)?)),
        _ => Ok(Response::text("no such path").status(404)),
    }
}

fn find(db: &impl Queries, id: i32) -> Result<World> {
    world(&db.query_one(ONE, &[&id])?)
}

fn pipeline(pg: &PgClient, ids: &mut Ids) -> Result<Vec<World>> {
    let mut pipeline = Pipeline::new();
    for _ in 0..QUERIES {
        pipeline.push(ONE, &[&ids.next()]);
    }
    pg.pipeline(pipeline)?.into_iter().map(|rows| world(&rows.into_one()?)).collect()
}

fn update(pg: &PgClient, ids: &mut Ids) -> Result<World> {
    pg.transaction(|tx| {
        let mut world = find(tx, ids.next())?;
        world.random_number = ids.next();
        tx.execute(UPDATE, &[&world.random_number, &world.id])?;
        Ok(world)
    })
}

fn world(row: &Row) -> Result<World> {
    Ok(World { id: row.get(0)?, random_number: row.get(1)? })
}

/// Rows that differ from request to request, without asking the host for random numbers: FNV-1a of the
/// request's id, and a linear congruential generator from there.
struct Ids(u32);

impl Ids {
    fn of(request: &Request) -> Self {
        let bytes = request.request_id().bytes();
        Self(bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
    }

    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // At most 10,000.
        i32::try_from((self.0 >> 8) % ROWS).unwrap_or(0) + 1
    }
}
