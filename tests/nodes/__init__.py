"""Several supervisors over one arbiter and one Telegram, in virtual time: is an auth key ever connected twice?"""
