# SPDX-License-Identifier: Apache-2.0
"""The addresses of the panel, and of what the Size tab of a server sends."""

from django.urls import path

from xloud_dashboard.elastic_servers.asking import SeveralView
from xloud_dashboard.elastic_servers.views import IndexView
from xloud_dashboard.size import views

urlpatterns = [
    path("", IndexView.as_view(), name="index"),
    path("several/", SeveralView.as_view(), name="several"),
    path("<uuid:server_id>/size/", views.SizeView.as_view(), name="size"),
    path("<uuid:server_id>/live/", views.LiveView.as_view(), name="live"),
    path("<uuid:server_id>/past/", views.PastView.as_view(), name="past"),
    path("<uuid:server_id>/mode/", views.ModeView.as_view(), name="mode"),
    path("<uuid:server_id>/hide/", views.HideView.as_view(), name="hide"),
    path("<uuid:server_id>/act/", views.ActView.as_view(), name="act"),
]
