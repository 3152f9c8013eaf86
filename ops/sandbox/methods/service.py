"""What a client asks about the sandbox itself."""

import datetime as dt

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.call import Call

_LIFE = dt.timedelta(hours=1)
# Limits and intervals that Telegram's test data centres name; nothing in the sandbox depends on them.
_LIMITS = {
    "chat_size_max": 200,
    "megagroup_size_max": 200_000,
    "forwarded_count_max": 100,
    "online_update_period_ms": 210_000,
    "offline_blur_timeout_ms": 5_000,
    "offline_idle_timeout_ms": 30_000,
    "online_cloud_timeout_ms": 300_000,
    "notify_cloud_delay_ms": 30_000,
    "notify_default_delay_ms": 1_500,
    "push_chat_period_ms": 60_000,
    "push_chat_limit": 2,
    "edit_time_limit": 172_800,
    "revoke_time_limit": 2_147_483_647,
    "revoke_pm_time_limit": 2_147_483_647,
    "rating_e_decay": 2_419_200,
    "stickers_recent_limit": 200,
    "channels_read_media_period": 604_800,
    "call_receive_timeout_ms": 20_000,
    "call_ring_timeout_ms": 90_000,
    "call_connect_timeout_ms": 30_000,
    "call_packet_timeout_ms": 10_000,
    "caption_length_max": 1_024,
    "message_length_max": 4_096,
}


def get_config(call: Call) -> tl.Tl:
    """help.getConfig: where the data centres are."""
    now = views.moment(call.world.clock())
    return types.Config(
        date=now,
        expires=now + _LIFE,
        test_mode=True,
        this_dc=call.dc_id,
        dc_options=[types.DcOption(dc.id, dc.host, dc.port) for dc in call.world.description.dcs],
        dc_txt_domain_name="SANDBOX.invalid",
        me_url_prefix="https://SANDBOX.invalid/",
        webfile_dc_id=call.dc_id,
        **_LIMITS,
    )


def get_nearest_dc(call: Call) -> tl.Tl:
    """help.getNearestDc: this one."""
    return types.NearestDc("SANDBOX", call.dc_id, call.dc_id)
