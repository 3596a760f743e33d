# SPDX-License-Identifier: GPL-3.0-or-later
"""The option check_urls: texts and mappings."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.url_checks import normalize_check_urls

URL = "https://example.com/health"


@pytest.mark.parametrize(("item", "codes", "use_proxy"), [
    (URL, [200], False), ({"url": f" {URL} "}, [200], False), ({"url": URL, "status_code": 204}, [204], False),
    ({"url": URL, "status_code": [200, "401"]}, [200, 401], False), ({"url": URL, "status_code": "200, 204"}, [200, 204], False),
    ({"url": URL, "use_proxy": True}, [200], True), ({"url": URL, "use_proxy": "yes"}, [200], True),
    ({"url": URL, "use_proxy": "False"}, [200], False),
])
def test_a_url(item, codes, use_proxy):
    normalized = normalize_check_urls([item])
    assert normalized == [{"url": URL, "status_code": codes, "use_proxy": use_proxy}]
    assert normalize_check_urls(normalized) == normalized, "later steps get it again"


@pytest.mark.parametrize("item", [
    "", " ", None, 7, [URL], {}, {"url": None}, {"url": ""}, {"url": URL, "status": 204}, {"url": URL, "status_code": "any"},
    {"url": URL, "status_code": []}, {"url": URL, "status_code": 99}, {"url": URL, "status_code": [600]}, {"url": URL, "status_code": None},
    {"url": URL, "status_code": True}, {"url": URL, "use_proxy": "perhaps"}, {"url": URL, "use_proxy": None},
])
def test_no_url(item):
    with pytest.raises(RewindError, match="check_urls"):
        normalize_check_urls([item])
