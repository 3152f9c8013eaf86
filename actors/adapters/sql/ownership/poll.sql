-- All lives, and the history of the server that tells of them: its start, and the timeline that a promotion changes.
-- A standby tells of the past, so it is named as what it is. One row without a node if there is none.
select n.node_id, n.node_epoch, n.hb, n.is_draining, n.load, n.capacity,
       case
           when pg_is_in_recovery() then null
           else pg_postmaster_start_time()::text || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
       end as source,
       (select greatest(extract(epoch from held_until - now()), 0)::float8 from public.cluster) as held
  from (select) as once
  left join public.nodes n on not n.is_over
 order by n.node_id;
