# ruff: noqa: S608 - every statement is made of constants in this file
import re

from tests.migrations.sql import query
from tests.stores import Database

OURS = "('public', 'usm')"


def names(database: Database, statement: str) -> list[str]:
    return [row[0] for row in query(database.admin_url, statement)]


def test_there_is_something_to_look_at(database: Database) -> None:
    tables = names(database, "select tablename from pg_tables where schemaname = 'public' order by 1")
    assert {"session_journal", "telegram_sessions"} <= set(tables)


def test_every_table_of_ours_is_walled_even_against_its_owner(database: Database) -> None:
    assert not names(
        database,
        f"""select relname from pg_class where relkind in ('r', 'p') and relnamespace::regnamespace::text in {OURS}
            and not (relrowsecurity and relforcerowsecurity)""",
    )


def test_every_table_with_a_tenant_has_an_index_that_starts_with_it(database: Database) -> None:
    assert not names(
        database,
        f"""select relname from pg_class join pg_attribute a on attrelid = pg_class.oid and attname = 'tenant_id'
            where relkind in ('r', 'p') and relnamespace::regnamespace::text in {OURS}
            and not exists (select from pg_index where indrelid = pg_class.oid and indkey[0] = a.attnum)""",
    )


def test_every_policy_asks_for_the_tenant_once_per_statement(database: Database) -> None:
    conditions = names(
        database,
        """select coalesce(qual, '') || coalesce(with_check, '') from pg_policies
           where roles && '{usm_tenant, authenticated}'""",
    )
    assert conditions
    assert all("( SELECT usm.current_tenant() AS current_tenant)" in condition for condition in conditions)


def test_no_policy_calls_a_function_for_every_row(database: Database) -> None:
    conditions = names(
        database,
        "select coalesce(qual, '') || coalesce(with_check, '') from pg_policies where schemaname <> 'cron'",
    )
    once = re.compile(r"\( SELECT [^()]*\([^()]*\)[^()]*\)")  # (select f()), as PostgreSQL writes it
    assert any(once.search(condition) for condition in conditions)
    assert not [condition for condition in conditions if re.search(r"\w\(", once.sub("", condition))]


def test_every_right_on_a_walled_table_has_a_policy_that_bounds_it(database: Database) -> None:
    """Without one the right would be of no use, and the next policy, made for somebody else, might open it."""
    assert not names(
        database,
        f"""select c.oid::regclass || ': ' || acl.privilege_type || ' to ' || acl.grantee::regrole
            from pg_class c, aclexplode(c.relacl) acl
            where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text in {OURS}
            and acl.grantee <> c.relowner
            and not exists (
                select from pg_policy p where p.polrelid = c.oid and acl.grantee = any(p.polroles)
                and (p.polcmd = '*' or p.polcmd = case acl.privilege_type
                     when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end)
            )""",
    )


def test_no_tenant_may_refer_to_truncate_or_put_triggers_on_a_table(database: Database) -> None:
    """Foreign keys and triggers see past policies, and TRUNCATE knows none (its documentation, "Row Security")."""
    assert not names(
        database,
        f"""select c.oid::regclass || ': ' || acl.privilege_type || ' to ' || acl.grantee::regrole
            from pg_class c, aclexplode(c.relacl) acl
            where c.relnamespace::regnamespace::text in {OURS} and acl.grantee <> c.relowner
            and acl.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE')""",
    )


def test_no_view_shows_with_its_owners_eyes(database: Database) -> None:
    assert not names(
        database,
        f"""select c.oid::regclass::text from pg_class c
            where relnamespace::regnamespace::text in {OURS} and (relkind in ('m', 'f')
            or relkind = 'v' and not coalesce('security_invoker=true' = any(reloptions), false))""",
    )


def test_no_policy_is_for_everybody(database: Database) -> None:
    assert not names(database, "select policyname from pg_policies where roles && '{public, anon}'")


def test_visitors_and_the_public_have_no_rights(database: Database) -> None:
    assert not names(
        database,
        f"""select c.oid::regclass::text from pg_class c, aclexplode(relacl) acl
            where relnamespace::regnamespace::text in {OURS}
            and (grantee = 0 or grantee = 'anon'::regrole or grantee = 'usm_app'::regrole)""",
    )
    assert not names(
        database,
        f"""select p.oid::regprocedure::text
            from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) acl
            where pronamespace::regnamespace::text in {OURS} and (grantee = 0 or grantee = 'anon'::regrole)""",
    )


def test_no_function_acts_with_its_owners_rights(database: Database) -> None:
    assert not names(
        database,
        f"select proname from pg_proc where prosecdef and pronamespace::regnamespace::text in {OURS}",
    )


def test_the_roles_cannot_get_around_the_wall(database: Database) -> None:
    rows = query(
        database.admin_url,
        """select rolname::text, rolcanlogin, rolinherit, rolsuper or rolbypassrls or rolcreaterole from pg_roles
           where rolname in ('anon', 'authenticated', 'usm_tenant', 'usm_app') order by 1""",
    )
    assert [tuple(row) for row in rows] == [
        ("anon", False, False, False),
        ("authenticated", False, False, False),
        ("usm_app", True, False, False),
        ("usm_tenant", False, False, False),
    ]


def test_every_object_says_what_it_is(database: Database) -> None:
    assert not names(
        database,
        f"""
        select nspname from pg_namespace n where nspname = 'usm' and obj_description(n.oid, 'pg_namespace') is null
        union all select c.oid::regclass::text from pg_class c
            where relkind in ('r', 'p', 'v') and relnamespace::regnamespace::text in {OURS}
            and obj_description(c.oid, 'pg_class') is null
        union all select attrelid::regclass::text || '.' || attname from pg_attribute a
            join pg_class c on c.oid = attrelid
            where relkind in ('r', 'p', 'v') and relnamespace::regnamespace::text in {OURS}
            and attnum > 0 and not attisdropped and col_description(attrelid, attnum) is null
        union all select p.oid::regprocedure::text from pg_proc p
            where pronamespace::regnamespace::text in {OURS} and obj_description(p.oid, 'pg_proc') is null
        union all select t.tgname from pg_trigger t
            where not tgisinternal and obj_description(t.oid, 'pg_trigger') is null
        union all select p.polname from pg_policy p where obj_description(p.oid, 'pg_policy') is null
        union all select r.rolname from pg_roles r
            where rolname in ('anon', 'authenticated', 'service_role', 'usm_tenant', 'usm_app')
            and shobj_description(r.oid, 'pg_authid') is null
        """,
    )
