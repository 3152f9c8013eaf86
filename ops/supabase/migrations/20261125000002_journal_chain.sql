-- The journal becomes a hash chain per tenant, so that a changed, removed, inserted or moved line is found out.
-- PostgreSQL 15 or newer, Supabase or plain. Chains the lines there are: about half a minute per million.

-- 1. What is hashed. ops/journal/chain.py computes the same from the rows, on its own.

create function usm.journal_field(value text) returns bytea
    language sql stable
    -- A length before every text, and -1 for null: no two lines are encoded alike.
    return coalesce(int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8'), int4send(-1));
comment on function usm.journal_field(text) is
    'A text as the chain hashes it: its length in 4 bytes (big-endian), then UTF-8; null is the length -1.';

alter table public.session_journal
    add column seq bigint check (seq > 0),
    add column hash bytea check (octet_length(hash) = 32);
comment on column public.session_journal.seq is 'The place in the tenant''s chain: 1, 2, 3 … without a gap.';
comment on column public.session_journal.hash is 'usm.journal_hash of the line before and of this one.';

create function usm.journal_hash(previous bytea, line public.session_journal) returns bytea
    language sql stable
    return sha256(
        coalesce(previous, decode(repeat('00', 32), 'hex'))
        || int8send(line.seq)
        || usm.journal_field(line.tenant_id)
        || usm.journal_field(line.app_id)
        || int8send(line.version)
        -- microseconds since 2000, whatever the time zone
        || timestamptz_send(line.at)
        || usm.journal_field(line.message)
        || usm.journal_field(line.from_state)
        || usm.journal_field(line.to_state)
        || usm.journal_field(line.reason)
    );
comment on function usm.journal_hash(bytea, public.session_journal) is
    'SHA-256 over the hash of the line before (32 zero bytes if there is none) and every field of this one.';

revoke all on function usm.journal_field(text), usm.journal_hash(bytea, public.session_journal) from public, anon;
grant execute on function usm.journal_field(text), usm.journal_hash(bytea, public.session_journal)
    to usm_tenant, authenticated, service_role;

-- 2. The lines there are, in the order of their time. The owner, who is no superuser everywhere, must see them.

alter table public.session_journal disable trigger refuse_change;
alter table public.session_journal no force row level security;

do $$
declare
    line public.session_journal;
    tenant text;
    last_seq bigint;
    last_hash bytea;
begin
    for line in select * from public.session_journal order by tenant_id, at, app_id, version loop
        if line.tenant_id is distinct from tenant then
            tenant := line.tenant_id;
            last_seq := 0;
            last_hash := null;
        end if;
        last_seq := last_seq + 1;
        line.seq := last_seq;
        last_hash := usm.journal_hash(last_hash, line);
        update public.session_journal set seq = last_seq, hash = last_hash
         where tenant_id = line.tenant_id and app_id = line.app_id and version = line.version;
    end loop;
end
$$;

alter table public.session_journal force row level security;
alter table public.session_journal enable always trigger refuse_change;
alter table public.session_journal
    alter column seq set not null,
    alter column hash set not null,
    -- Also by what a writer who does not see the last line (under REPEATABLE READ, say) is refused.
    add constraint session_journal_chain unique (tenant_id, seq);

-- 3. The lines to come

-- Every name in it is qualified instead of `set search_path = ''`, which would cost more than all the rest of it.
create function usm.chain_line() returns trigger
    language plpgsql
    -- A plan made while the journal was short is kept by the connection; it must be the index's even so.
    set enable_seqscan = off
    as $$
declare
    last record;
begin
    -- Until the transaction ends, nobody else adds to this tenant's chain. A save writes its session's row before this
    -- and locks nothing after it, so nobody who holds this lock waits for another.
    perform pg_catalog.pg_advisory_xact_lock(tg_relid::pg_catalog.int4, pg_catalog.hashtext(new.tenant_id));
    select line.seq, line.hash into last from public.session_journal as line
     where line.tenant_id operator(pg_catalog.=) new.tenant_id order by line.seq desc limit 1;
    new.seq := coalesce(last.seq operator(pg_catalog.+) 1, 1);
    new.at := pg_catalog.clock_timestamp();
    new.hash := usm.journal_hash(last.hash, new);
    return new;
end
$$;
comment on function usm.chain_line() is
    'Trigger: puts the line at the end of its tenant''s chain; seq, at and hash are ours, whatever was written.';
revoke all on function usm.chain_line() from public, anon;

-- An ordinary trigger: where lines arrive by replication or a restore, they keep the hashes they have.
create trigger chain_line before insert on public.session_journal
    for each row execute function usm.chain_line();
comment on trigger chain_line on public.session_journal is 'Chains every line, whoever writes it.';

-- 4. A tenant is named by a string. The number 5 or `true` in the claims would have been the tenants "5" and "true".

create or replace function usm.current_tenant() returns text
    language sql stable
    return (
        select case jsonb_typeof(claim) when 'string' then claim #>> '{}' end
          -- nullif: after a transaction with a local setting it is '' and no longer null.
          from (
              select nullif(current_setting('request.jwt.claims', true), '')::jsonb
                  -> 'app_metadata' -> 'tenant_id'
          ) as claims (claim)
    );
