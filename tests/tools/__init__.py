# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sessions of noxfile.py use. bootstrap.py starts nox, with the standard library only and any Python from 3.8 on."""
