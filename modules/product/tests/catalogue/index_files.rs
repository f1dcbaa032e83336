//! The files of the search index: deleted, damaged, of another catalogue, left by a process and taken up again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;

use crate::support::{Shop, eventually, product};

#[actix_web::test]
async fn an_index_whose_files_are_deleted_is_made_anew_without_a_gap() {
    let shop = Shop::open().await;
    shop.create(product("Survivor", 100, 1)).await;
    for entry in fs::read_dir(shop.files.join("0")).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            fs::remove_dir_all(entry).unwrap();
        }
    }
    for number in 0..20 {
        shop.create(product(&format!("Newcomer {number}"), 100, 1)).await;
        assert!(shop.titles("q=survivor").await.contains(&"Survivor".to_owned()));
    }
    eventually(async || shop.titles("q=newcomer&limit=100").await.len() == 20).await;
    assert_eq!(shop.titles("limit=100").await.len(), 21);
}

#[actix_web::test]
async fn an_index_that_is_damaged_while_it_is_served_is_made_anew_by_itself() {
    let shop = Shop::open().await;
    for number in 0..3 {
        shop.create(product(&format!("Survivor {number}"), 100, 1)).await;
    }
    let indexes = || -> Vec<PathBuf> {
        let entries = fs::read_dir(shop.files.join("0")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let files = |index: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path());
        let is_data = |path: &PathBuf| path.extension().is_some_and(|kind| kind != "json" && kind != "lock");
        entries.filter(is_data).collect()
    };
    let is_made_anew = async |before: &Vec<PathBuf>| {
        eventually(async || indexes().len() == 1 && indexes() != *before).await;
        eventually(async || shop.get("/products?q=survivor").await.body["total"]["value"] == 3).await;
        let name = format!("Newcomer {}", before[0].display());
        shop.create(product(&name, 100, 1)).await;
        assert_eq!(
            shop.get("/products?q=newcomer&sort=newest").await.body["data"][0]["title"],
            name
        );
    };
    // Each file is written over, in place: what is open sees it.
    let before = indexes();
    for file in files(&before[0]) {
        let mut bytes = fs::read(&file).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        let mut open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        open.write_all(&bytes).unwrap();
    }
    // Whatever is asked meanwhile is answered or refused, and never brings the process down.
    for query in ["q=survivor", "facets=brand,price", "sort=title", ""] {
        let answer = shop.get(&format!("/products?{query}")).await;
        assert!([200, 503].contains(&answer.status.as_u16()), "{query}: {}", answer.body);
    }
    is_made_anew(&before).await;
    let before = indexes();
    let stored = files(&before[0]).into_iter();
    let mut stored = stored.filter(|path| path.extension().is_some_and(|kind| kind == "store"));
    fs::remove_file(stored.next().unwrap()).unwrap();
    is_made_anew(&before).await;
}

#[actix_web::test]
async fn a_damaged_or_foreign_index_is_not_used() {
    let shop = Shop::open().await;
    shop.create(product("Survivor", 100, 1)).await;
    shop.stop().await;
    let folder = shop.files.join("0");
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            for file in fs::read_dir(entry).unwrap() {
                let file = file.unwrap().path();
                if file.extension().is_some_and(|kind| kind != "json" && kind != "lock") {
                    let mut bytes = fs::read(&file).unwrap();
                    bytes.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x55);
                    fs::write(&file, bytes).unwrap();
                }
            }
        }
    }
    let again = shop.beside().await;
    assert_eq!(again.titles("q=survivor").await, ["Survivor"]);
    again.stop().await;
    // Of another catalogue.
    let mut connection = shop.database.connect().unwrap();
    connection
        .batch_execute(
            "UPDATE products.search_catalogue SET identity = gen_random_uuid(); \
             UPDATE products.products SET title = 'Successor'",
        )
        .unwrap();
    let other = shop.beside().await;
    assert_eq!(other.titles("q=successor").await, ["Successor"]);
}

#[actix_web::test]
async fn a_process_goes_on_with_the_index_that_it_left() {
    let shop = Shop::open().await;
    shop.create(product("Before", 100, 1)).await;
    shop.stop().await;
    let indexes = |shop: &Shop| -> Vec<_> {
        let entries = fs::read_dir(shop.files.join("0")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let left = indexes(&shop);
    assert_eq!(left.len(), 1);
    shop.create(product("Meanwhile", 100, 1)).await;
    let again = shop.beside().await;
    assert_eq!(indexes(&again), left);
    eventually(async || again.titles("q=meanwhile").await == ["Meanwhile"]).await;
    assert_eq!(again.titles("q=before").await, ["Before"]);
}

#[actix_web::test]
async fn two_processes_with_one_data_directory_have_an_index_each() {
    let shop = Shop::open().await;
    let _other = shop.beside().await;
    assert!(shop.files.join("0").is_dir() && shop.files.join("1").is_dir());
}
