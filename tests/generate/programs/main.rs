//! Calls every function of shop.py through the generated client, and prints "done".

mod shop;

use dragoman::values::{BigInt, Bytes};
use shop::{CircleOrSquare, Colour, Everything, Level, Node, Odd, ShopClient, Square, Worse};

fn everything() -> Everything {
    let square = Square {
        side: 1,
        inner: Some(Some(Box::new(CircleOrSquare::Circle(shop::Circle { radius: 2.0 })))),
        seal: Some(Bytes(vec![1])),
    };
    Everything {
        big: i64::MIN,
        small: 255,
        wide: i64::MAX,
        ratio: 0.1,
        text: "größe \0 😀 e\u{301}".into(),
        flag: true,
        blob: Bytes(vec![0, 255]),
        moment: "2026-01-31T23:59:59.123456Z".parse().unwrap(),
        day: "2026-01-31".parse().unwrap(),
        clock: "01:00:00.000001".parse().unwrap(),
        span: "-PT1M30S".parse().unwrap(),
        price: "12.50".parse().unwrap(),
        id: "01000000-0000-0000-0000-0000000000ff".parse().unwrap(),
        colour: Colour::DarkRed,
        level: Level::Minus1,
        shape: CircleOrSquare::Square(Box::new(square)),
        shapes: vec![],
        pair: (1, "a".into()),
        twice: (1, 2),
        counts: [(String::new(), 1)].into(),
        tree: Node {
            value: 1,
            children: Some(vec![]),
            next: Some(Some(Box::new(Node { value: 2, children: Some(vec![]), next: Some(None) }))),
        },
        nullable: None,
        mixed: dragoman::Value::Text("x".into()),
        anything: dragoman::Value::List(vec![dragoman::Value::Null]),
        type_: "t".into(),
        optional: None,
        both: Some(None),
        limit: Some(1),
        self_: None,
    }
}

async fn calls(client: &dragoman::Client) -> Result<(), dragoman::Fault> {
    let shop = ShopClient::new(client).shop;
    let given = everything();
    assert_eq!(shop.echo(given.clone()).await?, given);
    let odd = Odd {
        class: 1,
        class2: 2,
        groe: "x".into(),
        hash_code: 3,
        hash_code2: 4,
        x_1_st: 5,
        value: 6,
        ref_x: 7,
        to_string: 8,
        proto: Some(9),
        tick: 10,
        it_s: 11,
    };
    assert_eq!(shop.odd(odd.clone()).await?, odd);
    let worse = Worse { quo_te: 1, back_slash: 2, com_ma: 3, value: 4, new_line: 5, value2: 6 };
    assert_eq!(shop.worse(worse.clone()).await?, worse);
    assert_eq!(shop.double(shop::ShopDoubleInput { number: 21 }).await?, 42);
    let shape = CircleOrSquare::Circle(shop::Circle { radius: 2.0 });
    assert_eq!(shop.area(shop::ShopAreaInput { shape, scale: Some(0.5) }).await?, 6.0);
    assert_eq!(shop.find(shop::ShopFindInput { name: None, limit: None, class: None }).await?, None);
    assert_eq!(&shop.blob(shop::ShopBlobInput { data: Bytes(b"abc".to_vec()) }).await?[..], b"cba");
    shop.nothing().await?;
    let fault = shop.fail(shop::ShopFailInput { detail: "no".into() }).await.unwrap_err();
    assert_eq!(fault.code, dragoman::Code::NotFound);

    let mut items = shop.count(shop::ShopCountInput { upto: 3 }).await?;
    for wanted in 0..3 {
        assert_eq!(items.next().await.unwrap()?, wanted);
    }
    assert!(items.next().await.is_none());
    let (mut input, reply) = shop.total(shop::ShopTotalInput { start: Some(1) }).await?;
    for number in 0..4 {
        input.send(number).await?;
    }
    input.end();
    assert_eq!(reply.await?, 7);
    let (mut input, mut items) = shop.doubled(shop::ShopDoubledInput {}).await?;
    for number in 0..4 {
        input.send(number).await?;
        assert_eq!(items.next().await.unwrap()?, 2 * number);
    }
    Ok(())
}

fn main() {
    let client = dragoman::Client::dial(&std::env::args().nth(1).unwrap()).unwrap();
    let _: BigInt = 1_i64.into();
    client.block_on(calls(&client)).unwrap();
    println!("done");
}
