//! Groups and windows.

use super::check;

#[tokio::test]
async fn aggregates_have_databricks_types() {
    check(&[
        (
            "SELECT count(*), count(Id), count(DISTINCT ok), count_if(ok) FROM t",
            "BIGINT,BIGINT,BIGINT,BIGINT: 4,3,2,2",
        ),
        ("SELECT sum(Id), sum(amount), sum(price) FROM t", "BIGINT,DOUBLE,DECIMAL(20,2): 6,4.0,8.25"),
        ("SELECT sum(big) FROM t", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT sum(big) FROM t WHERE Id > 1", "BIGINT: 1"),
        (
            "SELECT avg(Id), avg(price), mean(amount) FROM t",
            "DOUBLE,DECIMAL(14,6),DOUBLE: 2.0,2.750000,1.3333333333333333",
        ),
        ("SELECT avg(x) FROM VALUES (1.00), (1.00), (0.00) AS v(x)", "DECIMAL(7,6): 0.666667"),
        (
            "SELECT min(name), max(day), min(amount), max(ok) FROM t",
            "STRING,DATE,DOUBLE,BOOLEAN: Ann,2024-02-29,-0.0,true",
        ),
        (
            "SELECT count(*), sum(Id), avg(price), min(name) FROM t WHERE false",
            "BIGINT,BIGINT,DECIMAL(14,6),STRING: 0,NULL,NULL,NULL",
        ),
        (
            "SELECT stddev(Id), stddev_pop(Id), variance(Id), var_pop(Id), median(Id) FROM t WHERE Id < 3",
            "DOUBLE,DOUBLE,DOUBLE,DOUBLE,DOUBLE: 0.7071067811865476,0.5,0.5,0.25,1.5",
        ),
        (
            "SELECT stddev_samp(Id), std(Id), var_samp(Id) FROM t WHERE Id = 1",
            "DOUBLE,DOUBLE,DOUBLE: NULL,NULL,NULL",
        ),
        (
            "SELECT bool_and(ok), bool_or(ok), every(ok), any(ok) FROM t",
            "BOOLEAN,BOOLEAN,BOOLEAN,BOOLEAN: false,true,false,true",
        ),
        ("SELECT any_value(label) FROM s WHERE id = 3", "STRING: z"),
        ("SELECT sum(DISTINCT id), count(*) FILTER (WHERE id = 1) FROM s", "BIGINT,BIGINT: 13,2"),
        ("SELECT sum(name) FROM t", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT sum(ok) FROM t", "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] 42K09"),
    ])
    .await;
}

#[tokio::test]
async fn groups() {
    check(&[
        ("SELECT id, count(*) AS c FROM s GROUP BY id ORDER BY id", "INT,BIGINT: 1,2; 3,1; 9,1"),
        ("SELECT id % 2, count(*) FROM s GROUP BY 1 ORDER BY 2", "INT,BIGINT: 1,4"),
        ("SELECT id + 1 AS k, sum(id) FROM s GROUP BY k HAVING sum(id) > 2 ORDER BY k DESC", "INT,BIGINT: 10,9; 4,3"),
        ("SELECT id, count(*) AS c FROM s GROUP BY ALL HAVING c > 1", "INT,BIGINT: 1,2"),
        ("SELECT upper(label), max(id) FROM s GROUP BY label ORDER BY max(id) DESC, label LIMIT 1", "STRING,INT: W,9"),
        ("SELECT sum(id) * 2 + count(*) FROM s", "BIGINT: 32"),
        ("SELECT amount, count(*) FROM (SELECT 0.0D AS amount UNION ALL SELECT amount FROM t WHERE Id = 3) GROUP BY amount", "DOUBLE,BIGINT: 0.0,2"),
        ("SELECT label, count(*) FROM s", "[MISSING_GROUP_BY] 42803"),
        ("SELECT label, count(*) FROM s GROUP BY id", "[MISSING_AGGREGATION] 42803"),
        ("SELECT id FROM s WHERE count(*) > 1", "[INVALID_AGGREGATE_FUNCTION_PLACE] 42903"),
        ("SELECT sum(count(*)) FROM s", "[INVALID_AGGREGATE_FUNCTION_PLACE] 42903"),
        ("SELECT id FROM s GROUP BY 3", "[GROUP_BY_POS_OUT_OF_RANGE] 42805"),
        ("SELECT 1 FROM s HAVING count(*) > 3", "INT: 1"),
    ])
    .await;
}

#[tokio::test]
async fn the_extremes_of_a_group_may_be_no_finite_numbers() {
    check(&[
        (
            "SELECT g, string(max(x)), string(min(x)) FROM VALUES (1, double('NaN')), (1, 1D), (2, double('-Infinity')), (3, double('Infinity')), (4, NULL) AS v(g, x) GROUP BY g ORDER BY g",
            "INT,STRING,STRING: 1,NaN,1.0; 2,-Infinity,-Infinity; 3,Infinity,Infinity; 4,NULL,NULL",
        ),
        (
            "SELECT g, string(max(float(x))), string(min(float(x))) FROM VALUES (1, double('NaN')), (1, -2.5D), (2, double('-Infinity')) AS v(g, x) GROUP BY g ORDER BY g",
            "INT,STRING,STRING: 1,NaN,-2.5; 2,-Infinity,-Infinity",
        ),
        ("SELECT max(x) OVER (ORDER BY x), min(-x) OVER () FROM VALUES (1D), (2D) AS v(x) ORDER BY x", "DOUBLE,DOUBLE: 1.0,-2.0; 2.0,-2.0"),
    ])
    .await;
}

#[tokio::test]
async fn windows() {
    check(&[
        ("SELECT label, row_number() OVER (ORDER BY label), rank() OVER (ORDER BY id), dense_rank() OVER (ORDER BY id) FROM s ORDER BY label", "STRING,INT,INT,INT: w,1,4,3; x,2,1,1; y,3,1,1; z,4,3,2"),
        ("SELECT id, lag(id) OVER (ORDER BY label), lead(label, 1, '-') OVER (ORDER BY label) FROM s ORDER BY label", "INT,INT,STRING: 9,NULL,x; 1,9,y; 1,1,z; 3,1,-"),
        ("SELECT label, sum(id) OVER (PARTITION BY id), sum(id) OVER (ORDER BY label) FROM s ORDER BY label", "STRING,BIGINT,BIGINT: w,9,9; x,2,10; y,2,11; z,3,14"),
        ("SELECT label, sum(id) OVER (ORDER BY label ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM s ORDER BY label", "STRING,BIGINT: w,9; x,10; y,2; z,4"),
        ("SELECT id, sum(sum(id)) OVER () FROM s GROUP BY id ORDER BY id", "INT,BIGINT: 1,14; 3,14; 9,14"),
        ("SELECT label FROM s QUALIFY row_number() OVER (PARTITION BY id ORDER BY label DESC) = 1 ORDER BY label", "STRING: w; y; z"),
        ("SELECT Id, row_number() OVER (ORDER BY Id) FROM t ORDER BY 2", "INT,INT: NULL,1; 1,2; 2,3; 3,4"),
        ("SELECT avg(price) OVER (PARTITION BY ok) FROM t WHERE Id = 1", "DECIMAL(14,6): 10.500000"),
        ("SELECT label, ntile(2) OVER w, first_value(label) OVER w, percent_rank() OVER w FROM s WINDOW w AS (ORDER BY label) ORDER BY label", "STRING,INT,STRING,DOUBLE: w,1,w,0.0; x,1,w,0.3333333333333333; y,2,w,0.6666666666666666; z,2,w,1.0"),
        ("SELECT label, cume_dist() OVER (ORDER BY label), last_value(label) OVER (ORDER BY label) FROM s ORDER BY label LIMIT 2", "STRING,DOUBLE,STRING: w,0.25,w; x,0.5,x"),
        ("SELECT row_number() OVER () FROM s", "[WINDOW_FUNCTION_WITHOUT_ORDER_BY] 42601"),
        ("SELECT rank() FROM s", "[MISSING_WINDOW_SPECIFICATION] 42P20"),
        ("SELECT id FROM s WHERE rank() OVER (ORDER BY id) = 1", "[INVALID_WINDOW_FUNCTION_PLACE] 42903"),
    ])
    .await;
}
