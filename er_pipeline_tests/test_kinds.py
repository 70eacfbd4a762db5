import pytest

from er_pipeline.blocking.spec.kinds import default_training_rules, guess_kind, name_parts
from er_pipeline_tests.small_spec import small_spec

# What names say, by kind, with what only looks like it: words within other words above all.
GUESSES = {
    "email": (
        "email e_mail E_Mail EMAIL eMail Email_Address email_1 emails emailAddress emailaddress"
        " work_email workemail contactEmail email_date"
    ),
    "phone": (
        "phone phones mobiles phonenumbers phone_number phoneNumber phonenumber phone2"
        " home_phone homephone mobile mobile_no mobilephone telephone telephone_number tel"
        " tel_1 fax Fax fax_no cellphone"
    ),
    "company": (
        "company companies company_name companyname organisation organization organizations org"
        " org_name orgName employer firm firm_name law_firm"
    ),
    "date": (
        "date dates birth birth_date birthdate birthDate birthday birth_day date_of_birth"
        " DateOfBirth dateofbirth dob DOB DoB dob_1 born born_on release_date releasedate"
        " start_date enddate birthdays birth_dt datetime date_joined dateJoined update_date date_2"
        " same_date"
    ),
    "address": (
        "address address_1 address_2 Address addresses street street_1 street_number"
        " street_address streetName streetname suburb addr addr1 addr_line home_address"
    ),
    "identifier": (
        "postcode post_code PostCode postcodes Zip zip zip4 zip_code zipcode ssn SSN ssn_last4"
        " soc_sec_id soc_sec social_security passport passport_no passportNumber id ids"
        " customer_id customerId customerid id_card IDHS_Provider_ID NAEYC_Program_Id house_no"
        " membershipNo number account_number accountnumber house_number housenumber numbers"
    ),
    "person_name": (
        "first_name firstname firstName FirstName FIRSTNAME last_name given_name family_name"
        " middle_name full_name fullname surname SurName sur_name surnames forename maiden_name"
        " birth_name birthname birthName name_at_birth last_names"
    ),
    "text": (
        # within other words
        "candidate mandate update updated_at last_update validated consolidated liquidated"
        " accommodated affirmed confirm confirmed firmware infirmary accompany accompanying"
        " reorganization disorganised organic organism microphone headphones phonetic"
        " automobile mobility immobile hotel telex faxed bluemail mailing premail remailed"
        " addressee readdressed mainstreets streetwise suburban numbered outnumbered"
        " idea identity idle paid android zipper unzipped blastname lastnamed"
        " newborn stillborn airborne reborn birthright birther rebirth no note november"
        # a birth without its day
        " birth_place birthplace birthPlace place_of_birth birth_city city_of_birth birth_country"
        " country_of_birth birth_weight birth_order birth_year year_of_birth birth_month born_in"
        # a number of things is no number of one
        " number_of_rooms Number_per_Site_HS NumberOfEmployees"
        # nothing at all
        " name title authors year venue city state description price note month pages volume"
        " Length_of_Day Site_name Program_Name Website Director segment remark status mail"
    ),
}


@pytest.mark.parametrize(
    ("field", "kind"),
    [(field, kind) for kind, fields in GUESSES.items() for field in fields.split()],
)
def test_a_fields_kind_is_guessed_from_its_name(field: str, kind: str) -> None:
    assert guess_kind(field) == kind


@pytest.mark.parametrize(
    "kinds",
    [
        {"first_name": "person_name", "last_name": "person_name", "dob": "date", "email": "email"},
        {"title": "text", "authors": "text", "year": "text"},
        {"last_name": "person_name", "city": "text"},
    ],
)
def test_default_training_rules_leave_every_field_free_in_one(kinds: dict[str, str]) -> None:
    usual = default_training_rules(kinds)
    people = small_spec(fields=kinds, strategies={"key": next(iter(kinds))}, training_rules=usual)
    rules = people.training_conjunctions
    assert [rule.name for rule in rules] == list(usual)
    for field in kinds:
        assert any(field not in rule.source_columns for rule in rules), field


def test_a_full_name_gives_the_fields_of_the_usual_strategies() -> None:
    assert name_parts({"name": "full_name", "mail": "email"}) == {
        "first_name": ("name", "first"),
        "last_name": ("name", "last"),
    }
    assert name_parts({"mail": "email"}) == {}


@pytest.mark.parametrize(
    "kinds",
    [
        {"author": "full_name", "First_Name": "person_name"},
        {"author": "full_name", "editor": "full_name"},
    ],
)
def test_full_names_beside_such_fields_give_fields_of_their_own(kinds: dict[str, str]) -> None:
    assert name_parts(kinds)["author_last_name"] == ("author", "last")
    assert not {"first_name", "last_name"} & set(name_parts(kinds))
